import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

export interface Account {
  uid: number;
  gid: number;
  name: string;
}

/**
 * PostgreSQL refuses to run as root. For root: whom `cluster` belongs to, where there is one; else the account `postgres`, or
 * `nobody`, which every system has. Undefined for everybody else, who runs it as himself.
 */
export async function unprivilegedAccount(cluster?: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const existing = cluster === undefined ? undefined : await stat(cluster).catch(() => undefined);
  if (existing && existing.uid !== 0)
    return { name: `user ${existing.uid}`, uid: existing.uid, gid: existing.gid };
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const found = lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody');
  if (!found)
    throw new Error(
      'PostgreSQL does not run as root, and there is no account postgres or nobody to run it as',
    );
  return { name: found[0]!, uid: Number(found[2]), gid: Number(found[3]) };
}

/** May this account enter every folder on the way to `file`? */
export async function canReach(account: Account | undefined, file: string): Promise<boolean> {
  if (!account) return true;
  for (let folder = path.dirname(path.resolve(file)); ; folder = path.dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (found && !mayEnter(account, found)) return false;
    if (folder === path.dirname(folder)) return true;
  }
}

function mayEnter({ uid, gid }: Account, folder: { mode: number; uid: number; gid: number }): boolean {
  if (folder.uid === uid) return (folder.mode & 0o100) !== 0;
  if (folder.gid === gid) return (folder.mode & 0o010) !== 0;
  return (folder.mode & 0o001) !== 0;
}
