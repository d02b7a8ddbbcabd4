import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Product } from '../../bench/installation.ts';
import { auditAll, untilRest, urlsOf } from '../installation.ts';
import { ordinaryOrder } from './ordinary.ts';

const REST_MS_MAX = 20_000;
/** What counts what is under way, and what it shows while the question itself is. */
const GAUGES: Record<string, number> = {
  http_requests_in_flight: 1,
  order_waiters: 0,
  pipeline_queue_commands: 0,
  processor_stopped: 0,
};

/** What is wrong with an installation after everything, a line each. */
export async function afterwards(product: Product, databaseUrl: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const [service, url] of Object.entries(product.urls)) {
    const left = await gaugesAtRest(url);
    wrong.push(...left.map((line) => `${service} is not at rest: ${line}`));
  }
  await ordinaryOrder(product.urls, 'afterwards').catch((error) =>
    wrong.push(`an ordinary order does not go through any more: ${error.message}`),
  );
  const urls = urlsOf(databaseUrl);
  await untilRest(urls);
  return [...wrong, ...(await auditAll(urls))];
}

/** Waits a while for a service to have nothing under way; answers what stays. */
export async function gaugesAtRest(url: string, ms = REST_MS_MAX): Promise<string[]> {
  const deadline = performance.now() + ms;
  for (;;) {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(REST_MS_MAX) });
    const left = (await response.text()).split('\n').filter((line) => {
      const [, name, value] = /^(\w+)\{[^}]*\} (\S+)$/.exec(line) ?? [];
      return name !== undefined && name in GAUGES && Number(value) !== GAUGES[name];
    });
    if (left.length === 0 || performance.now() > deadline) return left;
    await delay(100);
  }
}

/** The lines that a program has logged so far. */
export async function logOf(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const file of glob(path.join(folder, 'program-*', 'stderr'))) {
    lines.push(...(await readFile(file, 'utf8')).split('\n').filter((line) => line !== ''));
  }
  return lines;
}

/** Those that speak of a failure: errors, and what is no line of a log at all. */
export function failures(log: string[]): string[] {
  return log.filter((line) => {
    try {
      return JSON.parse(line).level >= 50;
    } catch {
      return true;
    }
  });
}
