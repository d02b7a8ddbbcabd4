import type { ServiceName } from '@stream-processing/contracts/names.ts';

export interface Words {
  title: string;
  subtitle: string;
  caller: string;
  reader: string;
  place: string;
  answer: string;
  read: string;
  transaction: string;
  cursor: (source: ServiceName) => string;
  /** What a service's transaction writes. */
  rows: Record<ServiceName, string>;
  api: Record<ServiceName, string>;
  processor: string;
  fresh: string;
  opens: string[];
  legend: { request: string; event: string; log: string; chain: string };
}

export const WORDS: Record<'en' | 'ru', Words> = {
  en: {
    title: 'One order through four services',
    subtitle: 'Each writes in its own tables and tells the others in its own log. Nobody calls anybody.',
    caller: 'Caller',
    reader: 'The same caller, right after',
    place: 'POST /orders',
    answer: '201, final',
    read: 'GET /notifications',
    transaction: 'one transaction of the pipeline',
    cursor: (source) => `cursor on ${source}`,
    rows: {
      'user-service': 'users',
      'billing-service': 'accounts, transfer',
      'notification-service': 'letter',
      'order-service': 'order: pending, then final',
    },
    api: {
      'user-service': 'api: users',
      'billing-service': 'api: balance, deposit',
      'notification-service': 'api: letters',
      'order-service': 'api: waits for the result',
    },
    processor: 'processor',
    fresh: 'a fresh read: first what the logs held',
    opens: ['billing-service opens an account,', 'the others remember the user'],
    legend: {
      request: 'request and reply',
      event: 'events, read from a log',
      log: 'a log: events at positions without gaps',
      chain: 'one process, one database: all this is one commit',
    },
  },
  ru: {
    title: 'Один заказ через четыре сервиса',
    subtitle: 'Каждый пишет в свои таблицы и сообщает другим через свой журнал. Никто никого не вызывает.',
    caller: 'Вызывающий',
    reader: 'Он же, сразу после',
    place: 'POST /orders',
    answer: '201, итог',
    read: 'GET /notifications',
    transaction: 'одна транзакция конвейера',
    cursor: (source) => `курсор по ${source}`,
    rows: {
      'user-service': 'пользователи',
      'billing-service': 'счета, перевод',
      'notification-service': 'письмо',
      'order-service': 'заказ: pending, затем итог',
    },
    api: {
      'user-service': 'api: пользователи',
      'billing-service': 'api: баланс, пополнение',
      'notification-service': 'api: письма',
      'order-service': 'api: ждёт результата',
    },
    processor: 'обработчик',
    fresh: 'свежее чтение: всё из журналов',
    opens: ['billing-service открывает счёт,', 'остальные запоминают пользователя'],
    legend: {
      request: 'запрос и ответ',
      event: 'события, прочитанные из журнала',
      log: 'журнал: события на позициях без пропусков',
      chain: 'один процесс, одна база: на всё это одна фиксация',
    },
  },
};
