/** An authority, and certificates by it, for two days. */
import { chmod, readFile } from 'node:fs/promises';
import path from 'node:path';
import { install, run } from './command.ts';

export interface Certificates {
  /** PEM texts. */
  ca: string;
  /** By common name. */
  of: Record<string, { certificate: string; key: string }>;
}

/** Files `ca.crt`, `NAME.crt` and `NAME.key` in `folder`; a name is a host's too. */
export async function makeCertificates(folder: string, names: string[]): Promise<Certificates> {
  await install({ openssl: 'openssl' });
  const file = (name: string) => path.join(folder, name);
  const text = (name: string) => readFile(file(name), 'utf8');
  const make = async (name: string, ...more: string[]) => {
    const key = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      file(`${name}.key`),
    ];
    const subject = ['-subj', `/CN=${name}`, '-days', '2', '-out', file(`${name}.crt`)];
    await run('openssl', ['req', '-x509', ...key, ...subject, ...more]);
    // Whoever reads it runs as another user, in a container.
    await chmod(file(`${name}.key`), 0o644);
  };
  await make('ca');
  const of: Certificates['of'] = {};
  for (const name of names) {
    const by = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-addext', `subjectAltName=DNS:${name}`];
    await make(name, ...by);
    of[name] = { certificate: await text(`${name}.crt`), key: await text(`${name}.key`) };
  }
  return { ca: await text('ca.crt'), of };
}
