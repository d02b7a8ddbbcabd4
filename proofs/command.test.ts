import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };

const ROOT = path.join(import.meta.dirname, '..');
const PROOFS = ['audit', 'fuzz', 'mutate', 'planted', 'simulate', 'soak'] as const;
/** Each with a value that the option cannot have. */
const WRONG = {
  audit: ['--rows', 'many'],
  fuzz: ['--requests', '0'],
  mutate: ['--files', 'no/such.ts'],
  planted: ['--only', 'no such bug'],
  simulate: ['--seeds', '1.5'],
  soak: ['--faults', 'fire'],
};

function run(proof: string, args: string[]) {
  const program = path.join(ROOT, 'proofs', proof, 'main.ts');
  return promisify(execFile)(process.execPath, [program, ...args], { cwd: ROOT }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}

describe.each(PROOFS)('npm run %s', (proof) => {
  test('is a command, and tells of its options', async () => {
    expect(manifest.scripts[proof]).toBe(`node run.mjs proofs/${proof}/main.ts`);
    const { code, stdout } = await run(proof, ['--help']);
    expect(stdout).toMatch(new RegExp(`^npm run ${proof} -- \\[--`));
    expect(code).toBe(0);
  });

  test.each([
    ['an option that is none', ['--nonsense'], '--nonsense'],
    ['a value that is none', WRONG[proof], WRONG[proof][0]!],
  ])('refuses %s in a line that names it, and begins nothing', async (_what, args, named) => {
    const { code, stdout, stderr } = await run(proof, args);
    expect(stderr).toContain(named);
    expect(stderr).toMatch(new RegExp(`\nnpm run ${proof} -- --help tells what there is\n$`));
    expect(stderr).not.toContain('    at ');
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});
