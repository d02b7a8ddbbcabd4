import { decimalText } from './money.ts';
import type { Locale } from './names.ts';

/** What billing decided about one order, as it is told to the buyer. */
export interface OrderResult {
  order_id: number;
  /** Minor units. */
  price: bigint;
  currency: string;
  paid: boolean;
}

export interface Letter {
  subject: string;
  body: string;
}

/** The one place where the result of an order is put into words: an order's `message` is its letter's `body`. */
export function resultLetter(locale: Locale, result: OrderResult): Letter {
  const words = RESULT[locale];
  const price = `${decimalText(result.price)} ${result.currency}`;
  return { subject: words.subject, body: words[result.paid ? 'paid' : 'declined'](result.order_id, price) };
}

/** What the reply to a withdrawal says. */
export function withdrawalMessage(locale: Locale, withdrawn: boolean): string {
  return WITHDRAWAL[locale][withdrawn ? 'done' : 'refused'];
}

const RESULT = {
  ru: {
    subject: 'Результат оформления заказа',
    paid: (id: number, price: string) => `Письмо счастья: заказ № ${id} оформлен, со счёта списано ${price}.`,
    declined: (id: number, price: string) =>
      `Письмо горя: заказ № ${id} на сумму ${price} не оформлен, на счёте недостаточно средств.`,
  },
  en: {
    subject: 'The result of your order',
    paid: (id: number, price: string) =>
      `Letter of happiness: order no. ${id} is confirmed, ${price} was debited.`,
    declined: (id: number, price: string) =>
      `Letter of grief: order no. ${id} for ${price} was not placed, the account holds too little money.`,
  },
} as const satisfies Record<Locale, unknown>;

const WITHDRAWAL = {
  ru: { done: 'Средства сняты со счёта.', refused: 'Недостаточно средств на счёте.' },
  en: { done: 'The money was withdrawn.', refused: 'The account holds too little money.' },
} as const satisfies Record<Locale, unknown>;
