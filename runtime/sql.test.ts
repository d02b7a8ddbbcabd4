import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../test/database.ts';
import { connect, type Sql } from './sql.ts';
import { codeOf } from './sql-errors.ts';

async function connectToTable(): Promise<Sql> {
  const sql = connect(await createDatabase(), { max: 2, name: 'test', schema: 'public', writes: true });
  onTestFinished(() => sql.end());
  await sql.unsafe('create table things (id int primary key check (id < 100))');
  return sql;
}

const ids = async (sql: Sql) =>
  (await sql<{ id: number }[]>`select id from things order by id`).map((row) => row.id);

test('statements that nobody awaits are part of the commit, in their order', async () => {
  const sql = await connectToTable();
  await sql.begin(async (tx) => {
    void tx`insert into things values (1)`;
    void tx`update things set id = id + 1`;
    void tx`insert into things values (1)`;
  });
  expect(await ids(sql)).toEqual([1, 2]);
});

test.each([
  ['first', [100, 1, 2]],
  ['in the middle', [1, 100, 2]],
  ['last', [1, 2, 100]],
])(
  'a statement that nobody awaits and that fails %s fails the transaction, and nothing is kept',
  async (_where, wanted) => {
    const sql = await connectToTable();
    const failing = sql.begin(async (tx) => {
      await tx`select 1`;
      for (const id of wanted) void tx`insert into things values (${id})`;
    });
    await expect(failing).rejects.toMatchObject({ code: '23514' });
    expect(await ids(sql)).toEqual([]);
    // The connection is as good as before.
    await sql.begin(async (tx) => void tx`insert into things values (7)`);
    expect(await ids(sql)).toEqual([7]);
  },
);

test('what was asked just before the work threw is never done', async () => {
  const sql = await connectToTable();
  const failing = sql.begin(async (tx) => {
    await tx`insert into things values (1)`;
    void tx`insert into things values (2)`;
    throw new Error('changed my mind');
  });
  await expect(failing).rejects.toThrow('changed my mind');
  expect(await ids(sql)).toEqual([]);
});

test('the rows of each statement of a group are its own', async () => {
  const sql = await connectToTable();
  for (let round = 0; round < 2; round += 1) {
    const answers = await sql.begin(async (tx) =>
      Promise.all([
        tx`select 1 as a, null as b`,
        tx`insert into things values (${round}) returning id`,
        tx`delete from things where id = -1`,
        tx`select 'x'::text as b, ${7}::bigint as c from generate_series(1, 2)`,
      ]),
    );
    const row = { b: 'x', c: 7n };
    expect(answers).toEqual([[{ a: 1, b: null }], [{ id: round }], [], [row, row]]);
  }
});

test('a statement that could not be parsed can be asked again, and so can those behind it', async () => {
  const sql = connect(await createDatabase(), { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => sql.end());
  const ask = () =>
    sql.begin(async (tx) => {
      void tx`select count(*) from later`;
      return (await tx`select 1 as one`)[0];
    });
  await expect(ask()).rejects.toSatisfy((error) => codeOf(error) === '42P01');
  await sql.unsafe('create table later ()');
  expect(await ask()).toEqual({ one: 1 });
  expect(await ask()).toEqual({ one: 1 });
});

test('values arrive as they were, also in arrays', async () => {
  const sql = connect(await createDatabase(), { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => sql.end());
  const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0') && value.isWellFormed());
  const date = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.option(text)),
      fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      fc.option(text),
      date,
      async (texts, bigints, single, at) => {
        const [row] = await sql`
          select ${texts}::text[] as texts, ${bigints}::bigint[]::text[] as bigints, ${single}::text as single,
            ${at}::timestamptz as at, ${[at]}::timestamptz[] as ats`;
        expect(row).toEqual({ texts, bigints: bigints.map(String), single, at, ats: [at] });
      },
    ),
    { numRuns: 200 },
  );
});

test('what a statement cannot take is refused before anything is sent', async () => {
  const sql = await connectToTable();
  const failing = sql.begin(async (tx) => {
    void tx`insert into things values (1)`;
    void tx`select ${{ an: 'object' }}`;
  });
  await expect(failing).rejects.toThrow(TypeError);
  expect(await ids(sql)).toEqual([]);
});

test('a statement without text answers no rows, and those behind it are answered', async () => {
  const sql = await connectToTable();
  expect(await sql``).toEqual([]);
  await sql.begin(async (tx) => {
    void tx``;
    void tx`insert into things values (1)`;
    expect(await tx`select id from things`).toEqual([{ id: 1 }]);
  });
  expect(await ids(sql)).toEqual([1]);
});

test('a prompt answer comes while the statements behind it wait', async () => {
  const sql = await connectToTable();
  await sql`insert into things values (1)`;
  let answer: unknown;
  let waiting: Promise<void> | undefined;
  await sql.begin(async (holder) => {
    await holder`select from things for update`;
    waiting = sql.begin(async (tx) => {
      void tx.prompt`select 7 as prompt`.then((rows) => {
        answer = rows;
      });
      void tx`update things set id = 2`;
    });
    await expect.poll(() => answer, { message: 'the prompt answer comes' }).toEqual([{ prompt: 7 }]);
  });
  await waiting;
  expect(await ids(sql)).toEqual([2]);
});
