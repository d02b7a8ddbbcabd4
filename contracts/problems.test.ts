import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PROBLEMS } from './problems.ts';

test('docs/errors.md is the table of problems: the same codes in the same order, statuses, titles, retry', () => {
  const document = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');
  const told = [...document.matchAll(/^\| `(\w+)` \| (\d{3}) \| (.+?) \| (.+?) \| (yes|no) \|$/gm)].map(
    ([, code, status, title, , again]) => ({ code, status: Number(status), title, retry: again === 'yes' }),
  );
  expect(told).toEqual(Object.entries(PROBLEMS).map(([code, problem]) => ({ code, ...problem })));
});
