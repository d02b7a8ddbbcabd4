import { createHash } from 'node:crypto';
import path from 'node:path';
import { canReach, unprivilegedAccount } from './unprivileged.ts';

const ROOT = path.join(import.meta.dirname, '..');

/** `.data` here; as root in a home that the database's account cannot enter, a folder under /var/lib. */
export async function defaultDataDir(): Promise<string> {
  const here = path.join(ROOT, '.data');
  if (await canReach(await unprivilegedAccount(), here)) return here;
  const name = createHash('sha256').update(ROOT).digest('hex').slice(0, 8);
  return `/var/lib/stream-processing/${name}`;
}
