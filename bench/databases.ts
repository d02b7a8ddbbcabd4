/** Where services in processes of their own keep their data: in one database, or each in its own, as on several machines. */
import { eachService, SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { connect, schemaOf } from '@stream-processing/runtime/sql.ts';
import type { Context } from './context.ts';

export interface Databases {
  urls: Record<ServiceName, string>;
  /** Of a database that has the tables of all services; once `gather` was called, where each has its own. */
  all: string;
  /** After the services have made their tables. */
  gather(): Promise<void>;
  drop(): Promise<void>;
}

type Making = Pick<Context, 'createDatabase' | 'dropDatabase'>;

export async function oneDatabase(
  { createDatabase, dropDatabase }: Making,
  name: string,
): Promise<Databases> {
  const url = await createDatabase(name);
  return { urls: eachService(() => url), all: url, gather: async () => {}, drop: () => dropDatabase(name) };
}

/** On one server, which this machine has only one of. Checks look across them through foreign tables. */
export async function databaseEach(
  { createDatabase, dropDatabase }: Making,
  name: string,
): Promise<Databases> {
  const nameOf = (service: ServiceName) => `${name}_${schemaOf(service)}`;
  const urls = {} as Databases['urls'];
  for (const service of SERVICES) urls[service] = await createDatabase(nameOf(service));
  const all = await createDatabase(name);
  return {
    urls,
    all,
    gather: () => gather(all, urls),
    async drop() {
      await dropDatabase(name);
      for (const service of SERVICES) await dropDatabase(nameOf(service));
    },
  };
}

async function gather(all: string, urls: Databases['urls']): Promise<void> {
  const sql = connect(all, { max: 1, name: 'bench', schema: 'public' });
  const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
  try {
    await sql.unsafe('create extension postgres_fdw');
    for (const service of SERVICES) {
      const { hostname, port, pathname, username, password } = new URL(urls[service]);
      const schema = schemaOf(service);
      const database = decodeURIComponent(pathname.slice(1));
      const [user, secret] = [username, password].map(decodeURIComponent) as [string, string];
      await sql.unsafe(`create server ${schema} foreign data wrapper postgres_fdw
        options (host ${quote(hostname)}, port ${quote(port)}, dbname ${quote(database)}, fetch_size '10000')`);
      await sql.unsafe(`create user mapping for current_user server ${schema}
        options (user ${quote(user)}, password ${quote(secret)})`);
      await sql.unsafe(`create schema ${schema}`);
      await sql.unsafe(`import foreign schema ${schema} from server ${schema} into ${schema}`);
    }
  } finally {
    await sql.end();
  }
}
