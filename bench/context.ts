/** What the cases share: one PostgreSQL, one product with its users, one baseline; each made when first asked for. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type Sql } from '@stream-processing/runtime/sql.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../embedded/postgres.ts';
import { type Cluster, startCluster } from '../kafka/cluster.ts';
import { type Baseline, createBaseline } from './baseline.ts';
import { type Product, startProduct } from './installation.ts';
import { seed, type Users } from './seed.ts';

/** How much is measured. */
export interface Size {
  rounds: number;
  /** Of one measurement. */
  seconds: number;
  users: number;
  quick: boolean;
}

/** A running installation with users to load it with, and a look into its database. */
export interface Site {
  product: Product;
  users: Users;
  sql: Sql;
}

export interface Context {
  size: Size;
  /** Temporary; all may enter it. */
  folder: string;
  postgres: EmbeddedPostgres;
  /** The folder of the server's cluster. */
  cluster: string;
  signal: AbortSignal;
  progress: (text: string) => void;
  site(): Promise<Site>;
  baseline(): Promise<Baseline>;
  /** Three brokers. */
  kafka(): Promise<Cluster>;
  /** Makes an empty database and answers its URL. */
  createDatabase(name: string): Promise<string>;
  dropDatabase(name: string): Promise<void>;
}

/** Runs `work` and, whatever becomes of it, stops and removes everything that it made. */
export async function withContext<T>(
  options: Pick<Context, 'size' | 'signal' | 'progress'>,
  work: (context: Context) => Promise<T>,
): Promise<T> {
  const { size, signal, progress } = options;
  const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-bench-'));
  // What to undo, newest first.
  const closers: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    // For the account that PostgreSQL runs as.
    await chmod(folder, 0o711);
    const dataDir = path.join(folder, 'data');
    progress('PostgreSQL starts in a temporary folder');
    const postgres = await startEmbeddedPostgres({ dataDir });
    closers.unshift(() => postgres.stop());
    const admin = connect(postgres.urlOf('postgres'), { max: 1, name: 'bench', schema: 'public' });
    closers.unshift(() => admin.end());
    const createDatabase = async (name: string) => {
      await admin.unsafe(`create database ${name}`);
      return postgres.urlOf(name);
    };
    const context: Context = {
      ...options,
      folder,
      postgres,
      cluster: path.join(dataDir, 'postgres'),
      createDatabase,
      dropDatabase: async (name) => void (await admin.unsafe(`drop database if exists ${name} with (force)`)),
      site: once(async () => {
        progress(`the product starts and gets ${size.users} users`);
        const product = await startProduct({ databaseUrl: postgres.url, folder, signal });
        closers.unshift(() => product.stop());
        const sql = connect(postgres.url, { max: 2, name: 'bench', schema: 'public' });
        closers.unshift(() => sql.end());
        const users = await seed(product.urls, size.users, signal);
        await sql.unsafe('vacuum analyze');
        return { product, users, sql };
      }),
      kafka: once(async () => {
        const cluster = await startCluster({ onProgress: progress });
        closers.unshift(() => cluster.stop());
        return cluster;
      }),
      baseline: once(async () => {
        const url = await createDatabase('baseline');
        const baseline = await createBaseline(url, { users: size.users, folder, signal });
        closers.unshift(() => baseline.close());
        return baseline;
      }),
    };
    return await work(context);
  } finally {
    for (const close of closers) {
      await close().catch((error) => progress(`cannot clean up: ${error.message}`));
    }
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
