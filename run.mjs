// `node run.mjs FILE [ARGUMENTS]`: runs FILE on the Node that package.json pins, from any Node ≥ 20. Installs first
// what package-lock.json names, unless it is there already. Plain JavaScript: an old Node reads this file.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = import.meta.dirname ?? path.dirname(fileURLToPath(import.meta.url));
const [file, ...args] = process.argv.slice(2);

/**
 * V8 lets a heap grow to four times what is in use before it looks what may go, unless the heap's bound is below 2 GiB: with these
 * `npm start` stays at 280 MiB under full load instead of 440. No service needs as much: all queues are bounded. NODE_OPTIONS overrides them.
 */
const HEAP = '--max-old-space-size=1536 --max-semi-space-size=32';

if (!isInstalled()) {
  console.error('Installing what package-lock.json names; this happens once.');
  const npm = process.env.npm_execpath;
  const command = npm ? [process.execPath, npm] : ['npm'];
  const code = await run([...command, 'ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code !== 0) process.exit(code);
}
process.env.NODE_OPTIONS = `${HEAP} ${process.env.NODE_OPTIONS ?? ''}`.trimEnd();
process.exit(await run([pinnedNode(), path.resolve(root, file), ...args]));

function isInstalled() {
  try {
    const wanted = readPackages('package-lock.json');
    const found = readPackages('node_modules/.package-lock.json');
    return Object.entries(wanted).every(
      ([name, entry]) =>
        !name.includes('node_modules/') ||
        entry.link ||
        entry.optional ||
        found[name]?.version === entry.version,
    );
  } catch {
    return false;
  }
}

function readPackages(name) {
  return JSON.parse(readFileSync(path.join(root, name), 'utf8')).packages;
}

function pinnedNode() {
  const pinned = path.join(
    root,
    'node_modules',
    'node',
    'bin',
    process.platform === 'win32' ? 'node.exe' : 'node',
  );
  if (existsSync(pinned)) return pinned;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  console.error(
    "Node 24 is missing: npm did not run the install script of the package 'node'. Run: npm rebuild node",
  );
  process.exit(1);
}

/** Resolves to the exit code; passes on the signals that ask to stop, and waits for the child to obey. */
function run([command, ...rest]) {
  return new Promise((resolve) => {
    const child = spawn(command, rest, { cwd: root, stdio: 'inherit' });
    const pass = (signal) => child.kill(signal);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass);
    // npm runs us through a shell, and a SIGTERM to npm ends that shell alone: with our parent gone it is time to stop.
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid === parent || !process.env.npm_lifecycle_event) return;
      clearInterval(watch);
      pass('SIGTERM');
    }, 500);
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(1);
    });
    child.on('exit', (code, signal) => {
      clearInterval(watch);
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeListener(name, pass);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
