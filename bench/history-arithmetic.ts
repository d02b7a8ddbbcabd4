import { resultLetter } from '@stream-processing/contracts/letters.ts';
import { decimalText } from '@stream-processing/contracts/money.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';

export interface HistoryOptions {
  /** Orders. */
  rows: number;
  /** The user with many of them. */
  deepUser: number;
  /** How many; the others are spread evenly over the other users. */
  deepRows: number;
  /** Users 1 … `users`. */
  users: number;
  onProgress: (text: string) => void;
}

/** On each account after all those orders, in minor units. */
const REMAINDER = 100_000_000;
const YEAR_MS = 365 * 24 * 3600 * 1000;

/**
 * A schema of our own, until we are through: `people`; `turns`, a row for each place in the round of the users; and
 * `orders(first, last)`, which tells all of the orders with these numbers.
 *
 * The deep user's orders lie evenly among the others: of the first i orders, i · deepRows / rows. The rest go round the
 * other users by turns, `cycle` rounds complete and a `slot` in the present one. In a partition there have been, then,
 * `cycle` times its users, those of its users with an earlier slot, and, where it is his, the deep user's orders.
 */
export async function describe(tx: Tx, { rows, deepUser, deepRows, users }: HistoryOptions): Promise<void> {
  const settings = await tx<
    { setting: string; value: string }[]
  >`select setting, value from user_service.installation`;
  const installation = Object.fromEntries(settings.map((row) => [row.setting, row.value]));
  const partitions = Number(installation.partitions);
  const letter = letterPieces(installation.currency!);
  const stepMs = Math.max(1, Math.floor(YEAR_MS / rows));
  const start = new Date(Math.floor(Date.now() / 1000) * 1000 - rows * stepMs).toISOString();
  const others = users - 1;
  const [rounds, rest] = [Math.floor((rows - deepRows) / others), (rows - deepRows) % others];

  await tx.unsafe(`
    create schema history;

    create unlogged table people as
    select *, price * orders + ${REMAINDER} as deposit
    from (
      select id as user_id, id % ${partitions} as partition, (id + ${partitions - 1}) / ${partitions} as nth_of_partition,
        id - 1 - (id > ${deepUser})::int as slot, id = ${deepUser} as deep,
        'user' || id || '@example.org' as email, 'User ' || id as name,
        -- 1.00 to 9.99, the same for all orders of a user
        100 + id % 900 as price,
        case
          when id = ${deepUser} then ${deepRows}
          else ${rounds} + (id - 1 - (id > ${deepUser})::int < ${rest})::int
        end as orders,
        timestamptz '${start}' - interval '1 day' + id * interval '1 ms' as created_at
      from generate_series(1, ${users}::bigint) as id
    ) as p;

    create unlogged table turns as
    select o.slot, false as deep, o.user_id, o.partition, o.price, o.deposit, o.email,
      count(*) over whole as users, (sum(o.price) over whole)::bigint as users_price,
      row_number() over before - 1 as users_before, (sum(o.price) over before)::bigint - o.price as price_before,
      (o.partition = d.partition)::int as shared
    from people o cross join people d
    where d.deep and not o.deep
    window whole as (partition by o.partition), before as (partition by o.partition order by o.slot);
    insert into turns
    select o.slot, true, d.user_id, d.partition, d.price, d.deposit, d.email,
      count(*) filter (where near) over (), coalesce(sum(o.price) filter (where near) over (), 0),
      count(*) filter (where near) over before, coalesce(sum(o.price) filter (where near) over before, 0), 1
    from people o cross join people d cross join lateral (select o.partition = d.partition as near) as n
    where d.deep and not o.deep
    window before as (order by o.slot rows between unbounded preceding and 1 preceding);
    analyze turns;

    create function orders(first bigint, last bigint) returns table (
      order_id bigint, user_id bigint, partition bigint, price bigint, nth bigint, nth_of_partition bigint,
      balance bigint, revenue bigint, email text, subject text, body text, placed_at timestamptz, decided_at timestamptz
    ) language sql stable as $$
      select i + 1, t.user_id, t.partition, t.price, nth,
        cycle * t.users + t.users_before + t.shared * deep_before + 1,
        t.deposit - nth * t.price,
        cycle * t.users_price + t.price_before + t.shared * deep_before * ${100 + (deepUser % 900)} + t.price,
        t.email, ${literal(letter.subject)},
        ${literal(letter.before)} || i + 1 || ${literal(letter.between)} || t.price / 100 || '.'
          || lpad((t.price % 100)::text, 2, '0') || ${literal(letter.after)},
        placed, placed + interval '5 ms'
      from generate_series($1 - 1, $2 - 1) as i
      cross join lateral (select i * ${deepRows} / ${rows} as deep_before) as a
      cross join lateral (
        select (i - deep_before) / ${others} as cycle, (i - deep_before) % ${others} as slot,
          (i + 1) * ${deepRows} / ${rows} > deep_before as deep,
          timestamptz '${start}' + i * interval '${stepMs} ms' as placed
      ) as b
      join turns t on t.slot = b.slot and t.deep = b.deep
      cross join lateral (select case when t.deep then deep_before else cycle end + 1 as nth) as c
    $$;

    -- As JSON.stringify writes a Date.
    create function iso(moment timestamptz) returns text language sql stable
    return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

    create function currency() returns text language sql immutable return ${literal(installation.currency!)};`);
}

/** The letter of happiness around the order's number and the price, as the services write it. */
function letterPieces(currency: string) {
  const [order_id, price] = [1_234_567, 7_654_321n];
  const { subject, body } = resultLetter('ru', { order_id, price, currency, paid: true });
  const [before, rest = ''] = body.split(String(order_id));
  const [between, after] = rest.split(decimalText(price));
  if (after === undefined) throw new Error(`this letter cannot be taken to pieces: ${body}`);
  return { subject, before: before!, between: between!, after };
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
