/** The chart's pods with a broker that wants TLS, a client certificate and a user, all from Secrets. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { KAFKA_VERSION } from '../kafka/jars.ts';
import { until } from '../test/until.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { run } from './command.ts';
import { Helm, type Manifest } from './helm.ts';
import { Pods } from './pods.ts';
import { POLL_MS, ROOT } from './stack.ts';

const BROKER = 'kafka-1';
const USER = { username: 'shop', password: 'secret' };
const VALUES = [
  '--set',
  `eventLog=kafka,kafka.brokers={${BROKER}:9092},kafka.replicationFactor=1`,
  '--set',
  'kafka.tls.enabled=true,kafka.tls.caSecret=authorities,kafka.tls.clientSecret=certificate',
  '--set',
  'kafka.sasl.mechanism=PLAIN,kafka.sasl.existingSecret=user',
];

let helm: Helm;
let folder: string;
let pods: Pods;
let objects: Manifest[];

beforeAll(async () => {
  const env = inject('engine');
  await run('docker', ['build', '--tag', 'stream-processing:latest', '.'], { env, cwd: ROOT });
  helm = await Helm.install();
  folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-pods-'));
  const keys = path.join(folder, 'keys');
  await mkdir(keys);
  await chmod(folder, 0o755);
  const certificates = await makeCertificates(keys, [BROKER, 'client']);
  objects = [...(await helm.objects(4, ...VALUES)), ...secretsOf(certificates)];
  pods = new Pods(env, objects, folder);
  await pods.start();
  const waiting = async () => (await Promise.all(pods.names.map((name) => pods.logs(name)))).join('\n');
  const waits = async () => (await waiting()).includes('waiting for Kafka');
  await until('a pod waits for its brokers', waits, 120_000, POLL_MS);
  await startBroker(keys, certificates);
}, 600_000);

afterAll(async () => {
  await pods?.remove();
  await helm?.remove();
  if (folder) await rm(folder, { recursive: true, force: true });
}, 300_000);

/** As `kubectl create secret` would make them. */
function secretsOf({ ca, of }: Certificates): Manifest[] {
  const client = { 'tls.crt': of.client!.certificate, 'tls.key': of.client!.key };
  const secrets = { authorities: { 'ca.crt': ca }, certificate: client, user: USER };
  return Object.entries(secrets).map(([name, stringData]) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    stringData,
  }));
}

async function startBroker(keys: string, { of }: Certificates): Promise<void> {
  const { certificate, key } = of[BROKER]!;
  await writeFile(path.join(keys, 'broker.pem'), key + certificate);
  const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  const settings = {
    CLUSTER_ID: 'stream-processing-logA',
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_INTER_BROKER_LISTENER_NAME: 'INSIDE',
    KAFKA_LISTENERS: 'SECURE://:9092,CONTROLLER://localhost:9093,INSIDE://localhost:9094',
    KAFKA_ADVERTISED_LISTENERS: `SECURE://${BROKER}:9092,INSIDE://localhost:9094`,
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'SECURE:SASL_SSL,CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT',
    KAFKA_SASL_ENABLED_MECHANISMS: 'PLAIN',
    KAFKA_LISTENER_NAME_SECURE_PLAIN_SASL_JAAS_CONFIG: `${login} user_${USER.username}="${USER.password}";`,
    KAFKA_LISTENER_NAME_SECURE_SSL_CLIENT_AUTH: 'required',
    KAFKA_SSL_KEYSTORE_TYPE: 'PEM',
    KAFKA_SSL_KEYSTORE_LOCATION: '/keys/broker.pem',
    KAFKA_SSL_TRUSTSTORE_TYPE: 'PEM',
    KAFKA_SSL_TRUSTSTORE_LOCATION: '/keys/ca.crt',
    KAFKA_LOG_DIRS: '/var/lib/kafka/data',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    KAFKA_HEAP_OPTS: '-Xms256m -Xmx512m',
  };
  const environment = Object.entries(settings).map(([name, value]) => `--env=${name}=${value}`);
  await pods.startBeside(
    BROKER,
    ...environment,
    `--volume=${keys}:/keys:ro`,
    `apache/kafka:${KAFKA_VERSION}`,
  );
}

/** A pod of the user service, told otherwise. */
function changed(settings: Record<string, string>): Manifest {
  const pod = structuredClone(objects.find(({ kind }) => kind === 'Deployment').spec.template);
  const [container] = pod.spec.containers;
  const all: Record<string, string> = { DATABASE_WAIT_SECONDS: '0', ...settings };
  container.env = [
    ...container.env.filter(({ name }: Manifest) => !(name in all)),
    ...Object.entries(all).map(([name, value]) => ({ name, value })),
  ];
  return { metadata: { name: 'stranger', labels: {} }, spec: pod.spec };
}

test('all pods become ready once there is a broker, and it holds their topics', async () => {
  expect(pods.names).toHaveLength(4 * 2 + 1);
  await pods.ready();
  const { stdout } = await pods.docker('exec', BROKER, 'ls', '/var/lib/kafka/data');
  for (const service of ['user', 'billing', 'order'])
    expect(stdout.match(new RegExp(`^stream-processing\\.${service}-service-\\d+$`, 'gm'))).toHaveLength(16);
});

test('helm test passes', async () => {
  const [pod] = objects.filter((object) => object.kind === 'Pod');
  expect(await pods.run(pod)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/the scenario passed\n$/),
  });
});

test('the key is the pod’s to read and nobody’s to write', async () => {
  const [name] = pods.names.filter((each) => each.includes('user-service'));
  const key = '/etc/kafka/client/tls.key';
  const stat = await pods.docker('exec', name!, 'stat', '--format=%a %u:%g', key);
  expect(stat.stdout.trim()).toBe('440 0:1000');
  const mounts = await pods.docker('exec', name!, 'cat', '/proc/mounts');
  expect(mounts.stdout).toMatch(/^\S+ \/etc\/kafka\/client \S+ ro,/m);
});

test.each([
  ['a wrong password', { KAFKA_SASL_PASSWORD: 'wrong' }],
  ['another authority', { KAFKA_TLS_CA_FILE: '/etc/kafka/client/tls.crt' }],
  ['somebody else’s certificate', { KAFKA_TLS_CERT_FILE: '/etc/kafka/ca/ca.crt' }],
])('with %s a pod does not start, and says why in one line', async (_what, settings) => {
  const { code, stderr } = await pods.run(changed(settings));
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^(Kafka \(KAFKA_BROKERS\) at kafka-1:9092|KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE): \S.*$/m,
  );
});

test('every pod stops in time, with exit code 0', async () => {
  const services = pods.names.filter((name) => !name.includes('-postgres-'));
  const codes = await Promise.all(services.map(async (name) => [name, await pods.stop(name)]));
  expect(codes).toEqual(services.map((name) => [name, 0]));
});
