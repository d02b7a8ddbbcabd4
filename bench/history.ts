/**
 * A long past for a new installation: users, a deposit each, and `rows` confirmed orders with their payments, letters
 * and events, as the services would have left them. Written by set-based SQL, straight into their tables.
 *
 * What an order is (whose, the how manieth of its user and of its partition, the balances after it) follows from its
 * number by arithmetic. So each table is filled for itself, in chunks, without sorting or looking at another one.
 */
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { connect, type Sql, schemaOf, type Tx } from '@stream-processing/runtime/sql.ts';
import { describe, type HistoryOptions } from './history-arithmetic.ts';
import { dropIndexes } from './history-indexes.ts';

const CHUNK = 1_000_000;
const CONNECTIONS = 2;
const SCHEMAS = SERVICES.map(schemaOf);

/**
 * Fills the database of an installation whose services ran once and are stopped, and which has no users yet. After an
 * error the database is of no use any more.
 */
export async function loadHistory(url: string, options: HistoryOptions): Promise<void> {
  const { rows, deepUser, deepRows, users, onProgress } = options;
  if (users < 2 || rows < 1 || deepRows < 0 || deepRows > rows || deepUser < 1 || deepUser > users)
    throw new Error('a history has orders, two users or more, the deep one among them, and rows ≥ deepRows');
  const sql = connect(url, { max: CONNECTIONS, name: 'history', schema: 'history' });
  try {
    const [used] = await sql`select from user_service.log union all select from order_service.log limit 1`;
    if (used) throw new Error('this installation has a past already');
    await sql.begin((tx) => describe(tx, options));
    await sql.begin(writeUsers);
    onProgress(`${users} users`);
    await inParallel(TABLES, (table) => fill(sql, table, options));
    await sql.begin((tx) => finish(tx, options));
    // Hint bits, visibility maps and statistics now, so that nothing of it falls into a measurement.
    await inParallel(
      await filled(sql),
      async (table) => void (await sql.unsafe(`vacuum (analyze) ${table}`)),
    );
    await sql.unsafe('checkpoint');
    onProgress('vacuumed and on disk');
  } finally {
    await sql.end();
  }
}

/** Everything that grows with the users and not with the orders. */
async function writeUsers(tx: Tx): Promise<void> {
  await tx`
    insert into user_service.users (id, email, name, locale, created_at)
    select user_id, email, name, 'ru', created_at from people`;
  await tx`
    insert into user_service.log (partition, position, type, user_id, data, created_at)
    select partition, nth_of_partition, 'UserCreated', user_id,
      format(
        '{"user_id":%s,"email":"%s","name":"%s","locale":"ru","created_at":"%s"}', user_id, email, name, iso(created_at)
      )::json, created_at
    from people`;
  await tx`insert into order_service.known_users (id, locale) select user_id, 'ru' from people`;
  await tx`
    insert into notification_service.known_users (id, email, locale) select user_id, email, 'ru' from people`;
  await tx`
    insert into billing_service.accounts (id, kind, locale, balance, sequence)
    select -(2 * partition + 1), 'cash', null, -sum(deposit), count(*) from people group by partition
    union all
    select -(2 * partition + 2), 'revenue', null, sum(price * orders), sum(orders) from people
    group by partition having sum(orders) > 0
    union all
    select user_id, 'user', 'ru', deposit - price * orders, orders + 1 from people`;
}

interface Table {
  name: string;
  /** Writes what orders `first` to `last` leave in it. */
  write(tx: Tx, first: number, last: number): Promise<unknown>;
  /** Before the first orders. */
  begin?(tx: Tx): Promise<unknown>;
}

/** The biggest first, so that at the end both connections are busy. */
const TABLES: Table[] = [
  {
    name: 'billing_service.transfers',
    begin: (tx) => tx`
      insert into billing_service.transfers (
        id, kind, amount, debit_account, debit_sequence, debit_balance,
        credit_account, credit_sequence, credit_balance, created_at
      ) overriding system value
      select user_id, 'deposit', deposit, -(2 * partition + 1), nth_of_partition,
        -sum(deposit) over (partition by partition order by user_id), user_id, 1, deposit,
        created_at + interval '1 hour'
      from people order by user_id`,
    write: (tx, first, last) => tx`
      insert into billing_service.transfers (
        id, kind, order_id, amount, debit_account, debit_sequence, debit_balance,
        credit_account, credit_sequence, credit_balance, created_at
      ) overriding system value
      select (select count(*) from people) + order_id, 'payment', order_id, price, user_id, nth + 1, balance,
        -(2 * partition + 2), nth_of_partition, revenue, decided_at
      from orders(${first}, ${last})`,
  },
  {
    name: 'notification_service.notifications',
    write: (tx, first, last) => tx`
      insert into notification_service.notifications (id, user_id, order_id, email, subject, body, created_at)
      select order_id, user_id, order_id, email, subject, body, decided_at + interval '5 ms'
      from orders(${first}, ${last})`,
  },
  {
    name: 'order_service.orders',
    write: (tx, first, last) => tx`
      insert into order_service.orders (id, user_id, price, status, message, created_at)
      select order_id, user_id, price, 'confirmed', body, placed_at from orders(${first}, ${last})`,
  },
  {
    name: 'billing_service.log',
    write: (tx, first, last) => tx`
      insert into billing_service.log (partition, position, type, user_id, data, created_at)
      select partition, nth_of_partition, 'PaymentCompleted', user_id,
        format(
          '{"order_id":%s,"user_id":%s,"price":%s,"currency":"%s","decided_at":"%s"}',
          order_id, user_id, price, currency(), iso(decided_at)
        )::json, decided_at
      from orders(${first}, ${last})`,
  },
  {
    name: 'order_service.log',
    write: (tx, first, last) => tx`
      insert into order_service.log (partition, position, type, user_id, data, created_at)
      select partition, nth_of_partition, 'OrderPlaced', user_id,
        format(
          '{"order_id":%s,"user_id":%s,"price":%s,"placed_at":"%s"}', order_id, user_id, price, iso(placed_at)
        )::json, placed_at
      from orders(${first}, ${last})`,
  },
];

/** In one transaction, without indexes until the end: sorted once, they are built many times faster than row by row. */
async function fill(sql: Sql, table: Table, { rows, onProgress }: HistoryOptions): Promise<void> {
  const began = performance.now();
  await sql.begin(async (tx) => {
    // The pool's settings are for small statements on big tables; these here know their numbers and read everything.
    await tx.unsafe(`
      set local plan_cache_mode = force_custom_plan;
      set local enable_seqscan = on;
      set local jit = off;
      set local work_mem = '256MB';
      set local maintenance_work_mem = '512MB';
      set local max_parallel_maintenance_workers = 1`);
    const definitions = await dropIndexes(tx, table.name);
    await table.begin?.(tx);
    for (let first = 1; first <= rows; first += CHUNK) {
      const last = Math.min(rows, first + CHUNK - 1);
      await table.write(tx, first, last);
      onProgress(`${table.name}: ${last} of ${rows}, ${seconds(began)} s`);
    }
    for (const definition of definitions) await tx.unsafe(definition);
  });
  onProgress(`${table.name}: indexed, ${seconds(began)} s`);
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}

/** What tells the services that all of it is applied. */
async function finish(tx: Tx, { rows, users }: HistoryOptions): Promise<void> {
  await tx`
    update user_service.log_head h set position = p.count
    from (select partition, count(*) from people group by partition) as p where h.partition = p.partition`;
  for (const schema of ['order_service', 'billing_service']) {
    await tx.unsafe(`
      update ${schema}.log_head h set position = p.orders
      from (select partition, sum(orders) as orders from people group by partition) as p
      where h.partition = p.partition`);
  }
  for (const schema of SCHEMAS) {
    for (const source of SERVICES) {
      await tx.unsafe(`
        update ${schema}.cursor c set position = h.position
        from ${schemaOf(source)}.log_head h where c.source = '${source}' and c.partition = h.partition`);
    }
  }
  await tx`
    select setval('user_service.user_id', ${users}), setval('order_service.order_id', ${rows}),
      setval('notification_service.notification_id', ${rows}),
      setval(pg_get_serial_sequence('billing_service.transfers', 'id'), ${users + rows})`;
  await tx.unsafe('drop schema history cascade');
}

/** The tables of all services, the biggest first. */
async function filled(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select oid::regclass::text as name from pg_class
    where relkind = 'r' and relnamespace = any(${SCHEMAS}::regnamespace[]) order by pg_table_size(oid) desc`;
  return rows.map((row) => row.name);
}

async function inParallel<T>(items: T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
}
