import { PaymentCompleted, PaymentDeclined } from '@stream-processing/contracts/billing.ts';
import { UserCreated } from '@stream-processing/contracts/users.ts';
import { decoder } from '@stream-processing/runtime/decode.ts';
import type { LogEvent } from '@stream-processing/runtime/log.ts';
import type { Command } from './decide.ts';

const userCreated = decoder(UserCreated);
const paymentCompleted = decoder(PaymentCompleted);
const paymentDeclined = decoder(PaymentDeclined);

export function inbox(event: LogEvent): Command | undefined {
  switch (event.type) {
    case 'UserCreated': {
      const { user_id, locale } = userCreated(event);
      return { type: 'RememberUser', user: { id: user_id, locale } };
    }
    case 'PaymentCompleted':
      return settle(paymentCompleted(event), true);
    case 'PaymentDeclined':
      return settle(paymentDeclined(event), false);
    default:
      return undefined;
  }
}

type Payment = { order_id: number; user_id: number; price: number; currency: string };

function settle({ order_id, user_id, price, currency }: Payment, paid: boolean): Command {
  return { type: 'SettleOrder', user_id, result: { order_id, price: BigInt(price), currency, paid } };
}
