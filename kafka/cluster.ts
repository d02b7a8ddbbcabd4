/** A Kafka cluster for tests, proofs and benchmarks: real brokers on this machine, in a temporary folder, on free ports. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Admin } from '@platformatic/kafka';
import { Broker } from './broker.ts';
import { findJars } from './jars.ts';
import { TcpProxy } from './tcp-proxy.ts';

export interface Cluster {
  /** host:port of each broker. */
  brokers: string[];
  nodes: Broker[];
  /** The same brokers by TLS, for those who name themselves. */
  secure: { brokers: string[]; caFile: string; username: string; password: string };
  /** All clients lose their connections and get no new ones until `mend`; brokers still reach one another. */
  cut(): void;
  mend(): void;
  /** Every broker holds all that it should hold a copy of. */
  untilInSync(): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  /** Ends all brokers and removes what they kept. */
  stop(): Promise<void>;
}

export interface ClusterOptions {
  /** How many. */
  brokers?: number;
  /** Clients go through a proxy, so that they can be cut off. */
  proxied?: boolean;
  onProgress?: (text: string) => void;
}

const SYNC_MS_MAX = 60_000;
const SYNC_LOOK_MS = 200;
const USERNAME = 'stream-processing';
const PASSWORD = 'secret';
const STORE_PASSWORD = 'changeit';

export async function startCluster({
  brokers = 3,
  proxied = false,
  onProgress = () => {},
}: ClusterOptions = {}): Promise<Cluster> {
  onProgress('Kafka: looking for the jars');
  const classPath = await findJars();
  const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-kafka-'));
  const proxies: TcpProxy[] = [];
  const nodes: Broker[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    for (const proxy of proxies) proxy.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const clusterId = randomBytes(16).toString('base64url');
    const ids = Array.from({ length: brokers }, (_, i) => i + 1);
    const ports = await freePorts(4 * brokers);
    const portsOf = (id: number) => ({
      client: ports[4 * id - 4]!,
      internal: ports[4 * id - 3]!,
      controller: ports[4 * id - 2]!,
      secure: ports[4 * id - 1]!,
    });
    const voters = ids.map((id) => `${id}@127.0.0.1:${portsOf(id).controller}`).join(',');
    await makeKeys(folder);
    const loggingConfig = path.join(folder, 'log4j2.properties');
    await writeFile(loggingConfig, LOGGING);
    for (const id of ids) {
      const { client, internal, controller, secure } = portsOf(id);
      const proxy = proxied ? await TcpProxy.before(client) : undefined;
      if (proxy) proxies.push(proxy);
      const dataDir = path.join(folder, `data-${id}`);
      const config = path.join(folder, `broker-${id}.properties`);
      const own = {
        id,
        dataDir,
        voters,
        client,
        internal,
        controller,
        secure,
        advertised: proxy?.port ?? client,
      };
      await writeFile(config, properties({ ...own, folder, brokers }));
      const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map(
        (m) => `${m}=[name=${USERNAME},password=${PASSWORD}]`,
      );
      const files = { config, dataDir, loggingConfig, logFile: path.join(folder, `broker-${id}.log`) };
      nodes.push(
        new Broker({ id, address: `127.0.0.1:${own.advertised}`, clusterId, classPath, ...files, scram }),
      );
    }
    onProgress(`Kafka: ${brokers} brokers start`);
    await Promise.all(nodes.map((node) => node.format()));
    await Promise.all(nodes.map((node) => node.start()));
    return {
      brokers: nodes.map((node) => node.address),
      nodes,
      secure: {
        brokers: ids.map((id) => `127.0.0.1:${portsOf(id).secure}`),
        caFile: path.join(folder, 'ca.pem'),
        username: USERNAME,
        password: PASSWORD,
      },
      cut: () => proxies.forEach((proxy) => void proxy.cut()),
      mend: () => proxies.forEach((proxy) => void proxy.mend()),
      untilInSync: () => untilInSync(nodes),
      deleteTopic: (topic) => withAdmin(nodes, (admin) => admin.deleteTopics({ topics: [topic] })),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function withAdmin<T>(nodes: Broker[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const bootstrapBrokers = nodes.filter((node) => node.pid).map((node) => node.address);
  const admin = new Admin({ clientId: 'cluster', bootstrapBrokers, timeout: 5000 });
  try {
    return await work(admin);
  } finally {
    await admin.close().catch(() => {});
  }
}

async function untilInSync(nodes: Broker[]): Promise<void> {
  const deadline = performance.now() + SYNC_MS_MAX;
  const isInSync = () =>
    withAdmin(nodes, async (admin) => {
      const topics = await admin.listTopics();
      const metadata = await admin.metadata({ topics, forceUpdate: true });
      const partitions = [...metadata.topics.values()].flatMap((topic) => topic.partitions);
      return partitions.every(({ isr, replicas }) => isr.length === replicas.length);
    });
  // A topic may be deleted between the two questions.
  while (!(await isInSync().catch(() => false))) {
    if (performance.now() > deadline)
      throw new Error(`the brokers are not in sync after ${SYNC_MS_MAX / 1000} s`);
    await delay(SYNC_LOOK_MS);
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((s) => new Promise<void>((resolve) => s.listen(0, '127.0.0.1', resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** One self-signed certificate for all brokers; Java brings the tool. */
async function makeKeys(folder: string): Promise<void> {
  const keytool = (...args: string[]) =>
    promisify(execFile)('keytool', [
      ...args,
      '-alias',
      'broker',
      '-keystore',
      path.join(folder, 'keys.p12'),
      '-storepass',
      STORE_PASSWORD,
    ]);
  await keytool(
    '-genkeypair',
    '-keyalg',
    'RSA',
    '-keysize',
    '2048',
    '-validity',
    '30',
    '-dname',
    'CN=localhost',
    '-ext',
    'SAN=ip:127.0.0.1,dns:localhost',
    '-storetype',
    'PKCS12',
  );
  await keytool('-exportcert', '-rfc', '-file', path.join(folder, 'ca.pem'));
}

interface Own {
  id: number;
  dataDir: string;
  voters: string;
  client: number;
  internal: number;
  controller: number;
  secure: number;
  advertised: number;
}

function properties({ folder, brokers, ...own }: Own & { folder: string; brokers: number }): string {
  const jaas = 'org.apache.kafka.common.security';
  return `process.roles=broker,controller
node.id=${own.id}
controller.quorum.voters=${own.voters}
log.dirs=${own.dataDir}
listeners=CLIENT://127.0.0.1:${own.client},INTERNAL://127.0.0.1:${own.internal},SECURE://127.0.0.1:${own.secure},CONTROLLER://127.0.0.1:${own.controller}
advertised.listeners=CLIENT://127.0.0.1:${own.advertised},INTERNAL://127.0.0.1:${own.internal},SECURE://127.0.0.1:${own.secure}
listener.security.protocol.map=CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
inter.broker.listener.name=INTERNAL
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=${jaas}.plain.PlainLoginModule required user_${USERNAME}="${PASSWORD}";
listener.name.secure.scram-sha-256.sasl.jaas.config=${jaas}.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=${jaas}.scram.ScramLoginModule required;
ssl.keystore.type=PKCS12
ssl.keystore.location=${path.join(folder, 'keys.p12')}
ssl.keystore.password=${STORE_PASSWORD}
ssl.key.password=${STORE_PASSWORD}
default.replication.factor=${brokers}
min.insync.replicas=${Math.max(1, brokers - 1)}
auto.create.topics.enable=false
unclean.leader.election.enable=false
# A broker that died leads nothing any more after 2 s instead of 9, and where it was the active controller there is another after one.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.timeout.ms=500
controller.quorum.election.backoff.max.ms=500
# The brokers share two cores with all else.
num.network.threads=2
num.io.threads=3
background.threads=2
num.recovery.threads.per.data.dir=1
log.segment.bytes=67108864
log.cleaner.enable=false
`;
}

const LOGGING = `rootLogger.level=info
rootLogger.appenderRef.file.ref=file
appender.file.type=File
appender.file.name=file
appender.file.fileName=\${sys:kafka.log.file:-/dev/null}
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %m (%c)%n
`;
