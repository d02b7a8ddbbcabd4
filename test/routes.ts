import type { ServiceName } from '@stream-processing/contracts/names.ts';

interface Route {
  service: ServiceName;
  path: string;
  /** The documented statuses of each method. */
  methods: Partial<Record<'GET' | 'POST', number[]>>;
}

/** Every route of the contract, as docs and tests name it. */
export const ROUTES: Route[] = [
  {
    service: 'user-service',
    path: '/users',
    methods: { GET: [200, 400, 500, 503], POST: [201, 400, 409, 413, 415, 422, 500, 503] },
  },
  { service: 'user-service', path: '/users/{id}', methods: { GET: [200, 400, 404, 500, 503] } },
  {
    service: 'billing-service',
    path: '/accounts',
    methods: { POST: [201, 400, 404, 413, 415, 422, 500, 503] },
  },
  { service: 'billing-service', path: '/accounts/{user_id}', methods: { GET: [200, 400, 404, 500, 503] } },
  {
    service: 'billing-service',
    path: '/accounts/{user_id}/deposit',
    methods: { POST: [200, 400, 404, 409, 413, 415, 422, 500, 503] },
  },
  {
    service: 'billing-service',
    path: '/accounts/{user_id}/withdraw',
    methods: { POST: [200, 400, 404, 413, 415, 422, 500, 503] },
  },
  {
    service: 'billing-service',
    path: '/accounts/{user_id}/transfers',
    methods: { GET: [200, 400, 404, 500, 503] },
  },
  { service: 'billing-service', path: '/trial-balance', methods: { GET: [200, 500, 503] } },
  {
    service: 'notification-service',
    path: '/notifications',
    methods: { GET: [200, 400, 404, 500, 503], POST: [201, 400, 404, 413, 415, 422, 500, 503] },
  },
  {
    service: 'order-service',
    path: '/orders',
    methods: { GET: [200, 400, 404, 500, 503], POST: [201, 202, 400, 404, 413, 415, 422, 500, 503] },
  },
  { service: 'order-service', path: '/orders/{id}', methods: { GET: [200, 400, 404, 500, 503] } },
];

/** What each service has beside its own routes. */
export const OPERATIONS = ['/health/live', '/health/ready', '/metrics', '/openapi.json', '/docs'];
