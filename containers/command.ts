import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

interface Options {
  env?: Record<string, string | undefined> | undefined;
  cwd?: string;
  /** Bound of its time; default 10 minutes. */
  ms?: number;
}

const OUTPUT_MAX = 64 * 1024 * 1024;

/** Runs a command to its end, whatever its exit code. */
export async function outcome(command: string, args: string[], options: Options = {}): Promise<Result> {
  const { env, cwd, ms = 600_000 } = options;
  const more = { cwd, env: { ...process.env, ...env }, timeout: ms, maxBuffer: OUTPUT_MAX };
  try {
    return { code: 0, ...(await promisify(execFile)(command, args, more)) };
  } catch (error) {
    const { code, stdout = '', stderr = '', message } = error as Partial<Result> & Error;
    // A command that is not there, or was ended, has no exit code.
    return { code: typeof code === 'number' ? code : 127, stdout, stderr: stderr || message };
  }
}

/** Runs a command that must succeed; resolves to its standard output. */
export async function run(command: string, args: string[], options: Options = {}): Promise<string> {
  const { code, stdout, stderr } = await outcome(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Makes sure that the programs are there: by Debian's packages where they are not. */
export async function install(programs: Record<string, string>): Promise<void> {
  const missing = [];
  for (const [program, debianPackage] of Object.entries(programs)) {
    const { code } = await outcome('which', [program]);
    if (code !== 0) missing.push(debianPackage);
  }
  if (missing.length === 0) return;
  console.log(`installing ${missing.join(', ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env });
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env });
}
