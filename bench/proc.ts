/** CPU time and memory of processes, from Linux' /proc; undefined on systems without it. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** CPU times in clock ticks; those of children count once they have ended. */
export interface Stat {
  parent: number;
  own: number;
  children: number;
}

/** `/proc/PID/stat`. The second word, the command's name in parentheses, may itself hold spaces and parentheses. */
export function parseStat(text: string): Stat {
  // From the third word on: state, parent, …
  const words = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const word = (number: number) => Number(words[number - 3]);
  return { parent: word(4), own: word(14) + word(15), children: word(16) + word(17) };
}

/** CPU seconds of a process and all its children, the ended ones included. */
export async function cpuOfFamily(pid: number): Promise<number | undefined> {
  const head = await statOf(pid);
  if (!head) return undefined;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((name) => statOf(Number(name))));
  const living = stats.filter((stat) => stat?.parent === pid).reduce((sum, stat) => sum + stat!.own, 0);
  return (head.own + head.children + living) / (await ticksPerSecond());
}

/** CPU seconds of a process itself. */
export async function cpuOf(pid: number): Promise<number | undefined> {
  const stat = await statOf(pid);
  return stat && stat.own / (await ticksPerSecond());
}

/** CPU seconds of those children of this process that have ended. */
export async function cpuOfEndedChildren(): Promise<number | undefined> {
  const stat = await statOf(process.pid);
  return stat && stat.children / (await ticksPerSecond());
}

/** Resident memory of a process in MiB. */
export async function memoryOf(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? undefined : Number(kib) / 1024;
}

async function statOf(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : parseStat(text);
}

let ticks: Promise<number> | undefined;

function ticksPerSecond(): Promise<number> {
  ticks ??= promisify(execFile)('getconf', ['CLK_TCK']).then(
    ({ stdout }) => Number(stdout),
    // What Linux has on every machine of today.
    () => 100,
  );
  return ticks;
}
