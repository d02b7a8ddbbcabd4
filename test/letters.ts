/** The result of order 7 over 12.50 RUB in words, spelled out: `message` of the order and `body` of its letter alike. */
export const ORDER_7 = { order_id: 7, price: 1250n, currency: 'RUB' } as const;

export const LETTERS_OF_ORDER_7 = [
  {
    locale: 'ru',
    paid: true,
    subject: 'Результат оформления заказа',
    body: 'Письмо счастья: заказ № 7 оформлен, со счёта списано 12.50 RUB.',
  },
  {
    locale: 'ru',
    paid: false,
    subject: 'Результат оформления заказа',
    body: 'Письмо горя: заказ № 7 на сумму 12.50 RUB не оформлен, на счёте недостаточно средств.',
  },
  {
    locale: 'en',
    paid: true,
    subject: 'The result of your order',
    body: 'Letter of happiness: order no. 7 is confirmed, 12.50 RUB was debited.',
  },
  {
    locale: 'en',
    paid: false,
    subject: 'The result of your order',
    body: 'Letter of grief: order no. 7 for 12.50 RUB was not placed, the account holds too little money.',
  },
] as const;
