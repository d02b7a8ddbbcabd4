/** Holds the direction of imports: main → service → {api, inbox} → decide, store, views → runtime, contracts. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.join(import.meta.dirname, '..');
const files = globSync(['contracts/*.ts', 'runtime/*.ts', 'services/*/*.ts'], { cwd: root }).filter(
  (file) => !file.endsWith('.test.ts'),
);

interface Import {
  file: string;
  target: string;
}

/** `services/order-service/api.ts` imports `runtime/http.ts` as { file, target }; packages keep their names. */
const imports: Import[] = files.flatMap((file) => {
  const code = readFileSync(path.join(root, file), 'utf8');
  return [...code.matchAll(/^(?:import|export)\b[^;]*?\bfrom '([^']+)'/gms)].map(([, from]) => ({
    file,
    target: from!.startsWith('.')
      ? path.posix.join(path.posix.dirname(file), from!)
      : from!
          .replace(/^@stream-processing\//, '')
          .replace(/^((?:user|billing|notification|order)-service)\//, 'services/$1/'),
  }));
});

function offences(isOffence: (entry: Import) => boolean, instead: string): string[] {
  return imports.filter(isOffence).map(({ file, target }) => `${file} imports ${target}: ${instead}`);
}

function serviceOf(file: string): string | undefined {
  return /^services\/([^/]+)\//.exec(file)?.[1];
}

const roomOf = (file: string) => path.basename(file, '.ts');

test('the look at the imports sees them', () => {
  expect(imports).toContainEqual({
    file: 'services/order-service/main.ts',
    target: 'services/order-service/service.ts',
  });
  expect(imports).toContainEqual({ file: 'services/order-service/api.ts', target: 'runtime/requests.ts' });
  expect(imports.length).toBeGreaterThan(100);
});

test('contracts import nothing of ours but contracts', () => {
  const wrong = (entry: Import) =>
    entry.file.startsWith('contracts/') && /^(runtime|services)\//.test(entry.target);
  expect(offences(wrong, 'move what both need into contracts/')).toEqual([]);
});

test('the runtime knows no service', () => {
  const wrong = (entry: Import) => entry.file.startsWith('runtime/') && entry.target.startsWith('services/');
  expect(offences(wrong, 'let the service hand it over in its ServiceDefinition')).toEqual([]);
});

test('a service never imports another service', () => {
  const wrong = ({ file, target }: Import) => {
    const [from, to] = [serviceOf(file), serviceOf(target)];
    return from !== undefined && to !== undefined && from !== to;
  };
  expect(offences(wrong, 'follow its log in inbox.ts, by the events in contracts/')).toEqual([]);
});

test('decisions are pure: contracts and the service’s own pure rooms only', () => {
  const pure = ['decide', 'ledger'];
  const wrong = ({ file, target }: Import) =>
    file.startsWith('services/') &&
    pure.includes(roomOf(file)) &&
    !target.startsWith('contracts/') &&
    !(serviceOf(file) === serviceOf(target) && pure.includes(roomOf(target)));
  expect(offences(wrong, 'let time, ids and rows arrive as data in the command or the state')).toEqual([]);
  for (const file of files.filter((name) => name.startsWith('services/') && pure.includes(roomOf(name)))) {
    const code = readFileSync(path.join(root, file), 'utf8');
    expect(code, `${file}: no clock, no chance, no process`).not.toMatch(
      /new Date\(\)|Date\.now|Math\.random|process\.|await /,
    );
  }
});

test('within a service imports run one way', () => {
  const below: Record<string, string[]> = {
    main: ['service'],
    service: ['api', 'inbox', 'store', 'decide'],
    api: ['decide', 'views', 'prefer', 'waiters', 'ledger'],
    inbox: ['decide'],
    waiters: ['decide', 'views'],
    store: ['decide', 'ledger', 'rows'],
    views: ['decide', 'ledger', 'rows'],
    rows: ['decide'],
    decide: ['ledger'],
    ledger: [],
    prefer: [],
  };
  const wrong = ({ file, target }: Import) => {
    const inside = serviceOf(file) !== undefined && serviceOf(file) === serviceOf(target);
    return inside && !below[roomOf(file)]?.includes(roomOf(target));
  };
  expect(offences(wrong, 'main → service → {api, inbox} → decide, store, views')).toEqual([]);
});

test('only inbox.ts knows other services’ events', () => {
  const publishers: Record<string, string> = {
    'contracts/users.ts': 'user-service',
    'contracts/orders.ts': 'order-service',
    'contracts/billing.ts': 'billing-service',
  };
  const wrong = ({ file, target }: Import) =>
    serviceOf(file) !== undefined &&
    publishers[target] !== undefined &&
    publishers[target] !== serviceOf(file) &&
    roomOf(file) !== 'inbox';
  expect(offences(wrong, 'turn the event into a command of your own in inbox.ts')).toEqual([]);
});

test('the environment is read by config.ts on behalf of main alone', () => {
  const readers = [...files, 'everything.ts'].filter((file) =>
    readFileSync(path.join(root, file), 'utf8').includes('process.env'),
  );
  expect(readers.filter((file) => roomOf(file) !== 'main' && file !== 'everything.ts')).toEqual([]);
});
