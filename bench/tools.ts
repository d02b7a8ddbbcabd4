/** Programs of the machine that the benchmark uses where they are, and how they are run. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, glob } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const OUTPUT_MAX = 4000;

/** Runs a program to its end and answers its standard output; rejects with what it said when it fails. */
export async function run(
  file: string,
  args: string[],
  options: { signal: AbortSignal; env?: NodeJS.ProcessEnv },
): Promise<string> {
  const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-OUTPUT_MAX);
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0)
    throw new Error(`${path.basename(file)} ended with ${code ?? signal}: ${complaints.trim()}`);
  return output;
}

/** The full name of a program in PATH. */
export async function findInPath(name: string): Promise<string | undefined> {
  return firstExecutable(
    (process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, name)),
  );
}

/** pgbench in PATH, among Debian's versions (the newest one), or where `pg_config` says. */
export async function findPgbench(): Promise<string | undefined> {
  const found = await findInPath('pgbench');
  if (found) return found;
  const versions = await Array.fromAsync(glob('/usr/lib/postgresql/*/bin/pgbench'));
  const byVersion = versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const bindir = await promisify(execFile)('pg_config', ['--bindir']).then(
    ({ stdout }) => [path.join(stdout.trim(), 'pgbench')],
    () => [],
  );
  return firstExecutable([...byVersion, ...bindir]);
}

async function firstExecutable(files: string[]): Promise<string | undefined> {
  for (const file of files) {
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return file;
  }
  return undefined;
}
