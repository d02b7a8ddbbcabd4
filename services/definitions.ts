/** All services, for what is made from or checked against them. */
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { billingService } from './billing-service/service.ts';
import { notificationService } from './notification-service/service.ts';
import { orderService } from './order-service/service.ts';
import { userService } from './user-service/service.ts';

export const DEFINITIONS = {
  'user-service': userService,
  'billing-service': billingService,
  'notification-service': notificationService,
  'order-service': orderService,
} as const satisfies Record<ServiceName, unknown>;
