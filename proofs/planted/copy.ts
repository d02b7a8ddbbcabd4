/** A copy of the project in a temporary folder: what is changed there is loaded there, and nothing of the project changes. */
import { chmod, copyFile, mkdir, mkdtemp, readdir, readlink, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '../..');
/** Not source. */
const LEFT_OUT = new Set(['.git', '.data', 'coverage']);

export async function withCopy<T>(work: (copy: string) => Promise<T>): Promise<T> {
  // By its real name, which is the one that Node gives to modules.
  const copy = await realpath(await mkdtemp(path.join(tmpdir(), 'stream-processing-planted-')));
  try {
    await copyFolder(ROOT, copy, copy);
    // For the account that PostgreSQL runs as.
    await chmod(copy, 0o711);
    return await work(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function copyFolder(from: string, to: string, copy: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (LEFT_OUT.has(entry.name)) continue;
    if (entry.name === 'node_modules') await linkPackages(source, target, copy);
    else if (entry.isDirectory()) await copyFolder(source, target, copy);
    else if (entry.isFile()) await copyFile(source, target);
  }
}

/** The same packages as in the project; those that are the project's own are the copy's own. */
async function linkPackages(from: string, to: string, copy: string): Promise<void> {
  await mkdir(to);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else if (entry.name.startsWith('@')) await linkPackages(source, target, copy);
    else await symlink(source, target);
  }
}
