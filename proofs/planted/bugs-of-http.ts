/** Those that the fuzzer finds: at the edge, where requests are read and replies are written. */
import type { Bug } from './bugs.ts';

export const BUGS_OF_HTTP: Bug[] = [
  {
    name: 'refusal that no document declares',
    breaks: 'callers meet a status that the OpenAPI document does not speak of',
    edits: [
      {
        file: 'services/order-service/api.ts',
        find: "...problems('invalid_parameter', 'order_not_found', 'not_fresh')",
        replace: "...problems('invalid_parameter', 'not_fresh')",
      },
    ],
    foundBy: 'fuzz',
    operation: 'GET /orders/{id}',
  },
  {
    name: 'reply that is not as its schema says',
    breaks: 'callers who read replies as the OpenAPI document describes them cannot read this one',
    edits: [
      {
        file: 'services/order-service/views.ts',
        find: 'created_at: created_at.toISOString()',
        replace: 'created_at: created_at.toString()',
      },
    ],
    foundBy: 'fuzz',
    operation: '/orders',
  },
  {
    name: 'amounts by their look',
    breaks: 'text, true and null are taken for money, and unknown fields are passed over',
    edits: [
      { file: 'runtime/validation.ts', find: 'coerceTypes: false', replace: 'coerceTypes: true' },
      { file: 'runtime/validation.ts', find: 'removeAdditional: false', replace: 'removeAdditional: true' },
    ],
    foundBy: 'fuzz',
    operation: 'POST /accounts/{user_id}/deposit',
  },
  {
    name: 'control characters in names',
    breaks:
      'a name with a NUL, which PostgreSQL cannot keep, is a failure of the service instead of a refusal',
    edits: [
      {
        file: 'contracts/common.ts',
        find: String.raw`'^(?!\\p{Z}*$)[^\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]+$'`,
        replace: String.raw`'^(?!\\p{Z}*$)[^\\p{Cs}\\p{Zl}\\p{Zp}]+$'`,
      },
    ],
    foundBy: 'fuzz',
    operation: 'POST /users',
  },
  {
    name: 'request that is never answered',
    breaks: 'who sends half a body holds a connection for ever',
    edits: [
      { file: 'runtime/http.ts', find: 'requestTimeout: REQUEST_MS_MAX', replace: 'requestTimeout: 0' },
    ],
    foundBy: 'fuzz',
    operation: 'not HTTP',
  },
  {
    name: 'broken connections counted as under way',
    breaks: 'after so many broken connections a service refuses everything until its next start',
    edits: [
      {
        file: 'runtime/connections.ts',
        find: "    socket.once('close', () => this.#count(connection, -connection.inFlight));\n",
        replace: '',
      },
    ],
    foundBy: 'fuzz',
    operation: 'not HTTP',
  },
];
