/** dockerd never takes back what it tells the packet filter, a closed FORWARD among it: we put back what was there before. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from './command.ts';

const CHAINS = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
};

/** Resolves to what puts back the present rules; `folder` keeps them meanwhile. */
export async function keepPacketFilter(folder: string): Promise<() => Promise<void>> {
  const file = path.join(folder, 'packet-filter');
  const tables = await Promise.all(Object.keys(CHAINS).map((table) => run('iptables-save', ['-t', table])));
  // Of a table that nobody has used yet nothing is said.
  const unused = Object.entries(CHAINS).map(
    ([table, chains]) => `*${table}\n${chains.map((chain) => `:${chain} ACCEPT [0:0]\n`).join('')}COMMIT\n`,
  );
  await writeFile(file, tables.map((text, i) => text || unused[i]).join(''));
  return async () => void (await run('iptables-restore', [file]));
}
