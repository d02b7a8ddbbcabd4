/** A server as a process of its own: started until it says that it is ready, stopped by SIGTERM. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';

export const ROOT = path.join(import.meta.dirname, '..');

const READY_MS_MAX = 120_000;
const STOP_MS_MAX = 60_000;
const COMPLAINTS_MAX = 2000;
const SAID_MAX = 16_000;

export interface Program {
  pid: number;
  /** What it printed until it was ready, and the line that said so. */
  lines: string[];
  /** Milliseconds from its start to that line. */
  ready_ms: number;
  /** The end of what it printed since. */
  said(): string;
  /** Resolves when the process has ended, in whatever way. */
  ended: Promise<unknown>;
  stop(): Promise<void>;
}

export interface ProgramOptions {
  /** A file of this project. */
  file: string;
  env: NodeJS.ProcessEnv;
  ready: RegExp;
  /** Its standard error is kept here, in a folder of its own. */
  folder: string;
  signal: AbortSignal;
}

export async function startProgram({ file, env, ready, folder, signal }: ProgramOptions): Promise<Program> {
  signal.throwIfAborted();
  const errors = path.join(await mkdtemp(path.join(folder, 'program-')), 'stderr');
  const log = await open(errors, 'w');
  const began = performance.now();
  const child = spawn(process.execPath, [path.join(ROOT, file)], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', log.fd],
    // A process group of its own: Ctrl-C reaches only us, and the program is asked to stop once.
    detached: process.platform !== 'win32',
  });
  await log.close();
  const ended = once(child, 'exit');
  ended.catch(() => {});
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const hanging = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    child.kill('SIGTERM');
    await ended;
    clearTimeout(hanging);
  };
  try {
    const late = AbortSignal.timeout(READY_MS_MAX);
    const lines: string[] = [];
    for await (const line of createInterface({
      input: child.stdout!,
      signal: AbortSignal.any([signal, late]),
    })) {
      lines.push(line);
      if (!ready.test(line)) continue;
      const ready_ms = performance.now() - began;
      let said = '';
      // Also since a full pipe would hold the program up.
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-SAID_MAX);
      });
      return { pid: child.pid!, lines, ready_ms, said: () => said, ended, stop };
    }
    signal.throwIfAborted();
    const complaints = (await readFile(errors, 'utf8')).trim().slice(-COMPLAINTS_MAX);
    throw new Error(
      `${file} ${late.aborted ? 'is not ready in time' : 'ended before it was ready'}: ${complaints}`,
    );
  } catch (error) {
    await stop();
    throw error;
  }
}
