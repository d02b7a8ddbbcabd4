/** The messages of the AsyncAPI document, to hold real ones against. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { AsyncApi, Message } from './asyncapi.ts';
import { plain } from './files.ts';
import { inlined } from './references.ts';

/** What of a message its schemas tell. `key`: of a record in Kafka. */
interface Parts {
  headers: object;
  payload: unknown;
  key?: string | undefined;
}

export interface DescribedMessage {
  channel: string;
  name: string;
  examples: Parts[];
  /** What contradicts the document; a header that it does not name is among it. */
  findings: (parts: Parts) => string[];
}

const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false });
// @ts-expect-error: its types know the default export of CommonJS alone.
addFormats(ajv);

export function messagesOf(document: AsyncApi): DescribedMessage[] {
  return Object.entries(inlined(plain(document)).channels).flatMap(([channel, { messages }]) =>
    Object.entries(messages as Record<string, Message>).map(([name, message]) => {
      const key = message.bindings?.kafka.key;
      // Others may add headers; ours are all told.
      const headers = { allOf: [message.headers], unevaluatedProperties: false };
      const isValid = ajv.compile({
        type: 'object',
        required: ['headers', 'payload'],
        properties: { headers, payload: message.payload, ...(key ? { key } : {}) },
      });
      const findings = (parts: Parts) =>
        isValid(parts)
          ? []
          : isValid.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`);
      return { channel, name, examples: message.examples, findings };
    }),
  );
}
