import type { OpenApi } from '@stream-processing/runtime/openapi.ts';
import { describe, expect, test } from 'vitest';
import type { AsyncApi } from './asyncapi.ts';
import { allowsBreaking, asyncApiChanges, breakingChanges, openApiChanges } from './breaking.ts';
import { createDocuments, plain } from './files.ts';
import { inlined } from './references.ts';

// biome-ignore lint/suspicious/noExplicitAny: each case reaches for another part of the document
type Any = any;

const real = plain(await createDocuments());
const orders = inlined(real.openapi['order-service']);
const body = (api: Any) => api.paths['/orders'].post.requestBody.content['application/json'].schema;
const reply = (api: Any) => api.paths['/orders'].post.responses[201].content['application/json'].schema;
const query = (api: Any) => api.paths['/orders'].get.parameters as Any[];

/** What is said of the orders' document after an edit. */
function afterwards(edit: (api: Any) => void): string[] {
  const edited = structuredClone(orders);
  edit(edited);
  return openApiChanges(orders as OpenApi, edited as OpenApi);
}

const BREAKING: [string, string, (api: Any) => void][] = [
  ['a path is gone', 'GET /orders/{id} is gone', (api) => delete api.paths['/orders/{id}']],
  ['a method is gone', 'POST /orders is gone', (api) => delete api.paths['/orders'].post],
  [
    'a parameter is gone',
    'GET /orders: query parameter limit is gone',
    (api) =>
      query(api).splice(
        query(api).findIndex((p) => p.name === 'limit'),
        1,
      ),
  ],
  [
    'a new parameter is required',
    'GET /orders: query parameter tenant is required now',
    (api) => query(api).push({ name: 'tenant', in: 'query', required: true, schema: {} }),
  ],
  [
    'a parameter became required',
    'GET /orders: query parameter order is required now',
    (api) => Object.assign(query(api).find((p) => p.name === 'order')!, { required: true }),
  ],
  [
    'a parameter takes less',
    'GET /orders: query parameter limit: maximum 1000 against 500',
    (api) => Object.assign(query(api).find((p) => p.name === 'limit')!.schema, { maximum: 500 }),
  ],
  [
    'a parameter lost a value',
    'GET /orders: query parameter order: desc is not among asc',
    (api) => Object.assign(query(api).find((p) => p.name === 'order')!.schema, { enum: ['asc'] }),
  ],
  [
    'a header takes less',
    'POST /orders: header parameter idempotency-key: pattern ^[\\x21-\\x7e]{1,255}$ against ^\\d+$',
    (api) => Object.assign(api.paths['/orders'].post.parameters[0].schema, { pattern: '^\\d+$' }),
  ],
  [
    'a new field of the request is required',
    'POST /orders: request.note is required by one side alone',
    (api) => {
      body(api).properties.note = { type: 'string' };
      body(api).required.push('note');
    },
  ],
  [
    'a field of the request is gone',
    'POST /orders: request.price is not known',
    (api) => {
      delete body(api).properties.price;
      body(api).required = ['user_id'];
    },
  ],
  [
    'a field of the request has another type',
    'POST /orders: request.price: type number against string',
    (api) => {
      body(api).properties.price.type = 'string';
    },
  ],
  [
    'a field of the request takes less',
    'POST /orders: request.user_id: minimum 1 against 10',
    (api) => {
      body(api).properties.user_id.minimum = 10;
    },
  ],
  [
    'a field of the request has a format',
    'POST /orders: request.user_id: format any against even',
    (api) => {
      body(api).properties.user_id.format = 'even';
    },
  ],
  [
    'another type of content is asked for',
    'POST /orders: request as application/json is gone',
    (api) => {
      api.paths['/orders'].post.requestBody.content = { 'text/csv': { schema: {} } };
    },
  ],
  [
    'a reply is gone',
    'POST /orders: the reply 202 is gone',
    (api) => delete api.paths['/orders'].post.responses[202],
  ],
  [
    'there is another success',
    'POST /orders: there is another reply, 200',
    (api) => {
      api.paths['/orders'].post.responses[200] = { description: 'OK' };
    },
  ],
  [
    'a field of the reply is gone',
    'POST /orders: reply 201.message is gone',
    (api) => {
      delete reply(api).properties.message;
      reply(api).required.splice(reply(api).required.indexOf('message'), 1);
    },
  ],
  [
    'a field of the reply may be missing',
    'POST /orders: reply 201.message is required by one side alone',
    (api) => {
      reply(api).required.splice(reply(api).required.indexOf('message'), 1);
    },
  ],
  [
    'a field of the reply may be null',
    'POST /orders: reply 201.created_at: type null against string',
    (api) => {
      reply(api).properties.created_at = {
        anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }],
      };
    },
  ],
  [
    'a field of the reply has a new value',
    'POST /orders: reply 201.status: cancelled is not among pending, confirmed, failed',
    (api) => reply(api).properties.status.enum.push('cancelled'),
  ],
  [
    'a field of the reply has another type',
    'POST /orders: reply 201.id: type string against integer',
    (api) => {
      reply(api).properties.id.type = 'string';
    },
  ],
  [
    'a field of an item is gone',
    'GET /orders: reply 200.items[].price is gone',
    (api) => {
      const { items } = api.paths['/orders'].get.responses[200].content['application/json'].schema.properties;
      delete items.items.properties.price;
      items.items.required = items.items.required.filter((name: string) => name !== 'price');
    },
  ],
];

test.each(BREAKING)('breaks: %s', (_name, change, edit) => {
  expect(afterwards(edit)).toContain(change);
});

const HARMLESS: [string, (api: Any) => void][] = [
  ['nothing', () => {}],
  [
    'another path',
    (api) => {
      api.paths['/orders/{id}/lines'] = { get: { responses: {} } };
    },
  ],
  [
    'another method',
    (api) => {
      api.paths['/orders/{id}'].delete = { responses: {} };
    },
  ],
  [
    'an optional parameter',
    (api) => query(api).push({ name: 'since', in: 'query', schema: { type: 'string' } }),
  ],
  [
    'an optional field of the request',
    (api) => {
      body(api).properties.note = { type: 'string' };
    },
  ],
  [
    'a field of the request takes more',
    (api) => {
      body(api).properties.user_id.minimum = 0;
    },
  ],
  [
    'a field of the request may be missing',
    (api) => {
      body(api).required = ['user_id'];
    },
  ],
  [
    'any number where there were integers',
    (api) => {
      body(api).properties.user_id.type = 'number';
    },
  ],
  [
    'another field of the reply',
    (api) => {
      reply(api).properties.note = { type: 'string' };
      reply(api).required.push('note');
    },
  ],
  [
    'a field of the reply says less',
    (api) => {
      reply(api).properties.message = { type: 'string' };
    },
  ],
  [
    'another refusal',
    (api) => {
      api.paths['/orders'].post.responses[409] = { description: '`taken`' };
    },
  ],
  [
    'other words',
    (api) => {
      reply(api).properties.id.description = 'Its number.';
      reply(api).title = 'AnOrder';
    },
  ],
];

test.each(HARMLESS)('does not break: %s', (_name, edit) => {
  expect(afterwards(edit)).toEqual([]);
});

test('a keyword that nobody compares is an error, not an agreement', () => {
  expect(() =>
    afterwards((api) => {
      body(api).properties.price.multipleOf = 5;
    }),
  ).toThrow('multipleOf');
});

describe('events', () => {
  const logs = inlined(real.asyncapi);
  const payload = (api: Any) => api.channels.orderService.messages.OrderPlaced.payload;
  const record = (api: Any) => api.channels.orderServiceTopic.messages.OrderPlaced;
  const afterwardsOf = (edit: (api: Any) => void) => {
    const edited = structuredClone(logs);
    edit(edited);
    return asyncApiChanges(logs as AsyncApi, edited as AsyncApi);
  };

  test.each<[string, string, (api: Any) => void]>([
    ['a channel is gone', 'channel userService is gone', (api) => delete api.channels.userService],
    [
      'a channel is elsewhere',
      'channel userService is at users.log now',
      (api) => {
        api.channels.userService.address = 'users.log';
      },
    ],
    [
      'an event is gone',
      'event OrderPlaced is gone',
      (api) => delete api.channels.orderService.messages.OrderPlaced,
    ],
    [
      'an event has another field, which followers refuse',
      'event OrderPlaced, payload.note is not known',
      (api) => {
        payload(api).properties.note = {};
      },
    ],
    [
      'an event lost a field',
      'event OrderPlaced, payload.price is not known',
      (api) => {
        delete payload(api).properties.price;
        payload(api).required = payload(api).required.filter((name: string) => name !== 'price');
      },
    ],
    [
      'a field must be there, which older events lack',
      'event OrderPlaced, payload.note is required by one side alone',
      (api) => {
        payload(api).properties.note = {};
        payload(api).required.push('note');
      },
    ],
    [
      'a field takes less than older events hold',
      'event OrderPlaced, payload.price: maximum 9007199254740991 against 100',
      (api) => {
        payload(api).properties.price.maximum = 100;
      },
    ],
    [
      'the envelope lost a field',
      'event UserCreated, headers.trace is not known',
      (api) => {
        const { properties, required } = api.channels.userService.messages.UserCreated.headers.allOf[0];
        delete properties.trace;
        required.splice(required.indexOf('trace'), 1);
      },
    ],
    ['a server is gone', 'server postgres is gone', (api) => delete api.servers.postgres],
    [
      'a server speaks something else',
      'server kafka speaks amqp now',
      (api) => {
        api.servers.kafka.protocol = 'amqp';
      },
    ],
    [
      'a topic has another name',
      'channel orderServiceTopic is at stream-processing.orders now',
      (api) => {
        api.channels.orderServiceTopic.address = '{topicPrefix}orders';
      },
    ],
    [
      'topics begin otherwise',
      'channel userServiceTopic is at shop.user-service now',
      (api) => {
        api.channels.userServiceTopic.parameters.topicPrefix.default = 'shop.';
      },
    ],
    [
      'a topic’s binding is gone',
      'channel userServiceTopic has no Kafka binding any more',
      (api) => delete api.channels.userServiceTopic.bindings,
    ],
    [
      'a record’s key is another one',
      'event OrderPlaced, key: pattern ^\\d{1,16}$ against ^[a-f]$',
      (api) => {
        record(api).bindings.kafka.key.pattern = '^[a-f]$';
      },
    ],
    ['a record has no key', 'event OrderPlaced, key is gone', (api) => delete record(api).bindings],
    [
      'a header of records is gone, which was not always there',
      'event OrderPlaced, headers.traceparent is gone',
      (api) => delete record(api).headers.properties.traceparent,
    ],
    [
      'the record that tells the end is gone',
      'event LogEnd is gone',
      (api) => delete api.channels.userServiceTopic.messages.LogEnd,
    ],
  ])('breaks: %s', (_name, change, edit) => {
    expect(afterwardsOf(edit)).toContain(change);
  });

  test.each<[string, (api: Any) => void]>([
    [
      'another header of records',
      (api) => {
        record(api).headers.properties.ce_dataschema = { type: 'string' };
      },
    ],
    [
      'other defaults of topics',
      (api) => {
        Object.assign(api.channels.userServiceTopic.bindings.kafka, { partitions: 64, replicas: 5 });
      },
    ],
    [
      'another server',
      (api) => {
        api.servers.nats = { protocol: 'nats' };
      },
    ],
  ])('does not break: %s', (_name, edit) => {
    expect(afterwardsOf(edit)).toEqual([]);
  });

  test('does not break: Kafka beside what was there before', () => {
    const before = structuredClone(logs) as Any;
    delete before.servers;
    for (const name of Object.keys(before.channels)) {
      delete before.channels[name].servers;
      if (name.endsWith('Topic')) delete before.channels[name];
    }
    expect(Object.keys(before.channels)).toHaveLength(3);
    expect(asyncApiChanges(before as AsyncApi, logs as AsyncApi)).toEqual([]);
  });

  test('does not break: another event', () => {
    expect(
      afterwardsOf((api) => {
        api.channels.orderService.messages.OrderCancelled = { headers: {}, payload: {} };
      }),
    ).toEqual([]);
  });
});

test('a service that is gone breaks', () => {
  const edited = structuredClone(real);
  delete (edited.openapi as Any)['user-service'];
  expect(breakingChanges(real, edited)).toEqual(['user-service is gone']);
});

test.each([
  ['0.1.0', '0.1.0', false],
  ['0.1.0', '0.1.9', false],
  ['0.1.9', '0.2.0', true],
  ['0.1.0', '1.0.0', true],
  ['0.2.0', '0.1.0', false],
  ['1.2.3', '1.9.0', false],
  ['1.2.3', '2.0.0', true],
  ['2.0.0', '1.9.0', false],
  ['0.0.1', '0.0.2', true],
])('from %s to %s: may it break? %s', (from, to, allowed) => {
  expect(allowsBreaking(from, to)).toBe(allowed);
});
