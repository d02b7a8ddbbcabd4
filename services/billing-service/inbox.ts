import { OrderPlaced } from '@stream-processing/contracts/orders.ts';
import { UserCreated } from '@stream-processing/contracts/users.ts';
import { decoder } from '@stream-processing/runtime/decode.ts';
import type { LogEvent } from '@stream-processing/runtime/log.ts';
import type { Command } from './decide.ts';

const userCreated = decoder(UserCreated);
const orderPlaced = decoder(OrderPlaced);

export function inbox(event: LogEvent, now: Date): Command | undefined {
  switch (event.type) {
    case 'UserCreated': {
      const { user_id, locale } = userCreated(event);
      return { type: 'OpenAccount', user_id, locale };
    }
    case 'OrderPlaced': {
      const { user_id, order_id, price } = orderPlaced(event);
      return { type: 'PayOrder', user_id, order_id, price: BigInt(price), now };
    }
    default:
      return undefined;
  }
}
