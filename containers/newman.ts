/** The README's newman command, word by word, where `arch.homework` is this machine. */
import { lookup } from 'node:dns/promises';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from './command.ts';
import { ROOT } from './stack.ts';

const HOST = 'arch.homework';

/** Of README.md, the one that names this address. */
export async function commandFor(baseUrl: string): Promise<string> {
  const readme = await readFile(path.join(ROOT, 'README.md'), 'utf8');
  const commands = readme.match(/^npx newman run .+$/gm) ?? [];
  const command = commands.find((text) => text.includes(`baseUrl=${baseUrl} `));
  if (!command) throw new Error(`README.md has no newman command for ${baseUrl}`);
  return command;
}

/** Runs it; rejects when an assertion fails. Resolves to what newman printed. */
export async function newman(command: string): Promise<string> {
  const known = await lookup(HOST).catch(() => undefined);
  if (known?.address === '127.0.0.1' || !command.includes(HOST))
    return run('sh', ['-c', command], { cwd: ROOT });
  if (process.getuid?.() !== 0) throw new Error(`add "127.0.0.1 ${HOST}" to /etc/hosts`);
  // Seen by this command alone: the machine's own file stays as it is.
  const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-hosts-'));
  try {
    const hosts = path.join(folder, 'hosts');
    await writeFile(hosts, `127.0.0.1 localhost ${HOST}\n`);
    const script = `mount --bind ${hosts} /etc/hosts && ${command}`;
    return await run('unshare', ['--mount', 'sh', '-c', script], { cwd: ROOT });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
