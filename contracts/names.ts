/** The four services, by the names that their schemas, topics, log lines and metrics carry. */
export const SERVICES = ['user-service', 'billing-service', 'notification-service', 'order-service'] as const;

export type ServiceName = (typeof SERVICES)[number];

/** One of something for each service. */
export function eachService<T>(of: (service: ServiceName) => T): Record<ServiceName, T> {
  return Object.fromEntries(SERVICES.map((service) => [service, of(service)])) as Record<ServiceName, T>;
}

/** Languages in which letters and messages are written; the first is the default. */
export const LOCALES = ['ru', 'en'] as const;

export type Locale = (typeof LOCALES)[number];
