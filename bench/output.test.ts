/** What other programs and the system say, as the benchmark reads it. */
import { expect, test } from 'vitest';
import { parsePgbench, parseTransactionLog } from './baseline.ts';
import { parseLoad } from './load.ts';
import { parseMetrics } from './metrics.ts';
import { readOptions, UsageError } from './options.ts';
import { parseStat } from './proc.ts';

const PGBENCH = `pgbench (15.18 (Debian 15.18-0+deb12u1), server 18.4)
transaction type: /tmp/order.sql
scaling factor: 1
query mode: prepared
number of clients: 32
number of threads: 2
maximum number of tries: 1
duration: 2 s
number of transactions actually processed: 7461
number of failed transactions: 0 (0.000%)
latency average = 8.561 ms
initial connection time = 102.102 ms
tps = 3737.890201 (without initial connection time)
`;

test('pgbench', () => {
  expect(parsePgbench(PGBENCH)).toEqual({ per_s: 3737.890201, mean_ms: 8.561 });
  expect(() => parsePgbench(PGBENCH.replace('transactions: 0', 'transactions: 3'))).toThrow(
    '3 transactions failed',
  );
  expect(() => parsePgbench('pgbench: error: aborted')).toThrow('no figures: pgbench: error: aborted');
});

test('the log of pgbench: client, transaction, microseconds, script, seconds, microseconds', () => {
  expect(parseTransactionLog('0 199 2241 0 1175850568 995598\n1 7 30500 0 1175850569 608\n')).toEqual([
    2.241, 30.5,
  ]);
});

test('the figures of the script stand after what wrk prints itself', () => {
  const json =
    '{"accepted":7802,"errors":0,"seconds":2.000391,"mean_ms":65.1,"p50_ms":63.0,"p99_ms":93.2,"p999_ms":95.1}';
  const output = `Running 2s test @ http://127.0.0.1:8003\n  {not this}\nRequests/sec:   3901.12\n\n${json}\n`;
  expect(parseLoad(output)).toEqual(JSON.parse(json));
  expect(() => parseLoad('unable to connect')).toThrow('no figures: unable to connect');
});

test('/proc/PID/stat, whose second word is whatever the program calls itself', () => {
  const rest = 'S 1204 5 5 0 -1 4194560 1 2 3 4 130 20 700 80 20 0 1 0 99 1000 10';
  for (const command of ['node', 'postgres: a b', 'x) S 1 (y']) {
    expect(parseStat(`17 (${command}) ${rest}\n`)).toEqual({ parent: 1204, own: 150, children: 780 });
  }
});

test('/metrics: samples by name and labels', () => {
  const metrics = parseMetrics(`# HELP http_request_duration_seconds Requests
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_count{route="/orders",method="POST",status="201",service="order-service"} 40
http_request_duration_seconds_count{route="/orders/:id",method="GET",status="200",service="order-service"} 2
process_cpu_seconds_total 1.5e-1
`);
  expect(metrics.sum('http_request_duration_seconds_count')).toBe(42);
  expect(metrics.sum('http_request_duration_seconds_count', { status: '201', method: 'POST' })).toBe(40);
  expect(metrics.sum('process_cpu_seconds_total')).toBe(0.15);
  expect(metrics.sum('unknown')).toBe(0);
});

test('options', () => {
  const known = ['ours-1', 'ours-16', 'start'];
  expect(readOptions([], known)).toEqual({
    quick: false,
    help: false,
    json: undefined,
    cases: [],
    rounds: undefined,
  });
  expect(readOptions(['--case', 'ours', '--case=start', '--rounds', '3'], known)).toMatchObject({
    cases: ['ours', 'start'],
    rounds: 3,
  });
  for (const args of [['--fast'], ['file'], ['--rounds', '0'], ['--rounds', 'x'], ['--case', 'theirs']]) {
    expect(() => readOptions(args, known)).toThrow(UsageError);
  }
});
