import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { billingService } from '../services/billing-service/service.ts';
import { notificationService } from '../services/notification-service/service.ts';
import { orderService } from '../services/order-service/service.ts';
import { userService } from '../services/user-service/service.ts';

export const DEFINITIONS = {
  'user-service': userService,
  'billing-service': billingService,
  'notification-service': notificationService,
  'order-service': orderService,
} as const satisfies Record<ServiceName, unknown>;
