/** The chart with Helm 3 and 4, for several sets of values: what comes out is valid, safe and fits together. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { readConfig } from '@stream-processing/runtime/config.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fakeCluster } from './fake-cluster.ts';
import { HELM_VERSIONS, Helm, type Manifest } from './helm.ts';

const OWN_URL = 'postgres://app:secret@db.example.org:6432/shop';
const PORTS = {
  'user-service': 8000,
  'billing-service': 8001,
  'notification-service': 8002,
  'order-service': 8003,
};
const PATHS = 5 + 2 * 4;
const KAFKA = 'eventLog=kafka,kafka.brokers={kafka-1:9092,kafka-2:9092,kafka-3:9093}';

/** Sets of values by name, as arguments of Helm. */
const SETS: Record<string, string[]> = {
  'the defaults': [],
  'a repository and a tag': ['--set', 'image.repository=registry.example.org/shop,image.tag=1.2.3'],
  'a database of one’s own': ['--set', `database.url=${OWN_URL}`],
  'a database per service': ['user', 'billing', 'notification', 'order'].flatMap((short) => [
    '--set',
    `database.urls.${short}=${OWN_URL}_${short}`,
  ]),
  'the databases in a Secret of one’s own': ['--set', 'database.existingSecret=databases'],
  'the passwords in a Secret of one’s own': ['--set', 'postgres.existingSecret=passwords'],
  'events by Kafka': ['--set', KAFKA],
  'Kafka by TLS, with certificate, user and peers': [
    '--set',
    `${KAFKA},kafka.tls.enabled=true,kafka.tls.caSecret=authorities,kafka.tls.clientSecret=certificate`,
    '--set',
    'kafka.sasl.mechanism=SCRAM-SHA-512,kafka.sasl.existingSecret=brokers,database.existingSecret=databases',
    '--set-json',
    'networkPolicy={"kafkaTo":[{"ipBlock":{"cidr":"10.20.0.0/16"}}],"kafkaPorts":[9092,9093,9094]}',
  ],
  'everything on': [
    '--set',
    'autoscaling.enabled=true,serviceMonitor.enabled=true,serviceMonitor.labels.release=prometheus',
    '--set',
    'services.order.autoscaling.maxReplicas=8,services.order.resources.limits.memory=1Gi',
    '--set',
    'ingress.className=nginx,ingress.tlsSecret=certificate,ingress.annotations.note=x,podLabels.team=shop',
    '--set-json',
    'networkPolicy={"httpFrom":[{"namespaceSelector":{"matchLabels":{"name":"ingress"}}}],"extraEgress":[{"ports":[{"port":9092}]}]}',
    '--set-json',
    'extraEnv=[{"name":"TZ","value":"UTC"}],extraEnvFrom=[{"secretRef":{"name":"more"}}],imagePullSecrets=[{"name":"pull"}]',
    '--set-json',
    'nodeSelector={"disk":"ssd"},tolerations=[{"key":"shop","operator":"Exists"}],affinity={"podAntiAffinity":{}}',
    '--set',
    'priorityClassName=high,postgres.storage.className=fast,serviceAccount.annotations.role=x,podAnnotations.note=x',
  ],
  'everything off': [
    '--set',
    'ingress.enabled=false,networkPolicy.enabled=false,podDisruptionBudget.enabled=false,serviceAccount.create=false',
  ],
  'a long name': [
    '--set',
    'fullnameOverride=a-name-that-is-longer-than-kubernetes-would-take-with-anything-behind-it',
  ],
};

let helm: Helm;
beforeAll(async () => {
  helm = await Helm.install();
});
afterAll(() => helm?.remove());

const isOurs = (object: Manifest) => !object.apiVersion.startsWith('monitoring.coreos.com/');
const ofKind = (objects: Manifest[], kind: string) => objects.filter((object) => object.kind === kind);
/** Every Pod and every template of one. */
const podsOf = (objects: Manifest[]): Manifest[] =>
  objects.flatMap((object) => (object.kind === 'Pod' ? object : (object.spec?.template ?? [])));
const matches = (selector: Manifest, labels: Record<string, string>) =>
  Object.entries(selector.matchLabels ?? selector).every(([key, value]) => labels[key] === value);

describe.each(Object.entries(SETS))('%s', (_name, set) => {
  let objects: Manifest[];
  beforeAll(async () => {
    objects = await helm.objects(4, ...set);
  });

  test.each(HELM_VERSIONS)('passes the strict lint of Helm %i', async (version) => {
    expect(await helm.lint(version, ...set)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(' 0 chart(s) failed'),
    });
  });

  test('is the same with Helm 3, but for passwords', async () => {
    const masked = (all: Manifest[]) =>
      all.map((object) =>
        object.kind === 'Secret' ? { ...object, data: Object.keys(object.data ?? {}) } : object,
      );
    const byName = (all: Manifest[]) =>
      Object.fromEntries(masked(all).map((o) => [`${o.kind} ${o.metadata.name}`, o]));
    expect(byName(objects)).toEqual(byName(await helm.objects(3, ...set)));
    expect(Object.keys(byName(objects))).toHaveLength(objects.length);
  });

  test('has all that Kubernetes requires, and nothing that it does not know', async () => {
    const known = objects.filter(isOurs);
    expect(helm.invalid(known)).toEqual([]);
    expect(await helm.unknownFields(known)).toBe('');
  });

  test('passes PodSecurity restricted, on a read-only root, without an account’s token', () => {
    const pods = podsOf(objects);
    expect(pods.length).toBeGreaterThan(4);
    for (const { spec } of pods) {
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      expect(spec.securityContext.runAsUser).toBeGreaterThan(0);
      expect(Object.keys(spec)).not.toEqual(expect.arrayContaining(['hostNetwork', 'hostPID', 'hostIPC']));
      const volumes = (spec.volumes ?? []).flatMap((volume: Manifest) => Object.keys(volume));
      expect(['name', 'configMap', 'emptyDir', 'secret']).toEqual(expect.arrayContaining(volumes));
      for (const container of spec.containers) {
        for (const { name } of (spec.volumes ?? []).filter((volume: Manifest) => volume.secret))
          expect(container.volumeMounts).toContainEqual(expect.objectContaining({ name, readOnly: true }));
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(container.ports ?? []).not.toContainEqual(
          expect.objectContaining({ hostPort: expect.anything() }),
        );
        expect(container.resources.requests).toMatchObject({
          cpu: expect.anything(),
          memory: expect.anything(),
        });
        expect(container.resources.limits.memory).toBeDefined();
      }
    }
  });

  test('has every service behind its port, probed, spread out, and with time to stop', () => {
    const deployments = ofKind(objects, 'Deployment');
    expect(deployments).toHaveLength(4);
    const services = ofKind(objects, 'Service');
    for (const { metadata, spec } of [...deployments, ...ofKind(objects, 'StatefulSet')]) {
      const { labels } = spec.template.metadata;
      expect(matches(spec.selector, labels)).toBe(true);
      const [container] = spec.template.spec.containers;
      expect(container).toMatchObject({ startupProbe: {}, livenessProbe: {}, readinessProbe: {} });
      const [service, ...more] = services.filter((each) => matches(each.spec.selector, labels));
      expect(more).toEqual([]);
      expect(service.metadata.name).toBe(metadata.name);
      expect(service.spec.ports[0].targetPort).toBe(container.ports[0].name);
      expect(service.spec.ports[0].port).toBe(container.ports[0].containerPort);
    }
    for (const { metadata, spec } of deployments) {
      const name = metadata.labels['app.kubernetes.io/component'] as keyof typeof PORTS;
      const { containers, terminationGracePeriodSeconds, topologySpreadConstraints } = spec.template.spec;
      expect(metadata.name.length).toBeLessThan(64);
      expect(containers[0]).toMatchObject({ args: [name], ports: [{ containerPort: PORTS[name] }] });
      expect(containers[0].livenessProbe.httpGet).toEqual({ path: '/health/live', port: 'http' });
      expect(containers[0].readinessProbe.httpGet).toEqual({ path: '/health/ready', port: 'http' });
      expect(matches(topologySpreadConstraints[0].labelSelector, spec.template.metadata.labels)).toBe(true);
      // 5 s before the signal, and the 40 s of runtime/main.ts.
      expect(terminationGracePeriodSeconds).toBeGreaterThan(5 + 40);
      const { periodSeconds, failureThreshold } = containers[0].startupProbe;
      const { data } = ofKind(objects, 'ConfigMap').find((each) => each.data.HOST);
      // For its database, and then for its brokers.
      const waits = data.EVENT_LOG === 'kafka' ? 2 : 1;
      expect(periodSeconds * failureThreshold).toBeGreaterThan(waits * Number(data.DATABASE_WAIT_SECONDS));
    }
  });

  test('lets nothing in or out by default, where there are policies', () => {
    const policies = ofKind(objects, 'NetworkPolicy');
    if (set.join().includes('networkPolicy.enabled=false')) return expect(policies).toEqual([]);
    const everything = policies.find((policy) => policy.metadata.name.endsWith('-default'));
    expect(everything.spec).toMatchObject({ policyTypes: ['Ingress', 'Egress'] });
    expect(everything.spec).not.toHaveProperty('ingress');
    expect(
      everything.spec.egress.flatMap((rule: Manifest) => rule.ports.map((port: Manifest) => port.port)),
    ).toEqual([53, 53]);
    for (const { metadata } of podsOf(objects))
      expect(matches(everything.spec.podSelector, metadata.labels)).toBe(true);
    for (const policy of policies) {
      const selected = podsOf(objects).filter((pod) => matches(policy.spec.podSelector, pod.metadata.labels));
      expect(selected, policy.metadata.name).not.toEqual([]);
    }
  });

  test('keeps every password in a Secret', () => {
    const open = objects.filter((object) => object.kind !== 'Secret');
    expect(JSON.stringify(open)).not.toContain('secret@');
    const own = ofKind(objects, 'StatefulSet');
    expect(own).toHaveLength(set.join().includes('database.') ? 0 : 1);
    for (const { spec } of ofKind(objects, 'Deployment')) {
      const [{ env, envFrom }] = spec.template.spec.containers;
      const names = envFrom.flatMap((from: Manifest) => from.secretRef?.name ?? []);
      const ref = env.find((each: Manifest) => each.name === 'SERVICES_PASSWORD')?.valueFrom.secretKeyRef
        .name;
      const secret = ref ?? names[0];
      const made = ofKind(objects, 'Secret').map((each) => each.metadata.name);
      expect([...made, 'databases', 'passwords']).toContain(secret);
      for (const { name, value } of env)
        if (name.includes('PASSWORD')) expect({ name, value }).toEqual({ name });
      const address = env.find((each: Manifest) => each.name === 'DATABASE_URL')?.value;
      if (own[0]) expect(address).toContain(`$(SERVICES_PASSWORD)@${own[0].metadata.name}:5432/`);
      else expect(address).toBeUndefined();
    }
  });
});

test('the origin of the Ingress has the paths of the gateway, each for the same service', async () => {
  const [ingress] = ofKind(await helm.objects(4), 'Ingress');
  const [rule] = ingress.spec.rules;
  expect(rule.host).toBe('arch.homework');
  const paths = rule.http.paths.map(({ path: route, pathType, backend }: Manifest) => {
    expect(pathType).toBe('Prefix');
    return [route, backend.service.name.replace(/^shop-stream-processing-/, '')];
  });
  expect(paths).toHaveLength(PATHS);
  const conf = await readFile(path.join(import.meta.dirname, '..', 'gateway', 'nginx.conf'), 'utf8');
  const lines = [...conf.matchAll(/^ +~\^(\S+)\(\/\|\$\) +(\S+);$/gm)];
  const routes = lines.flatMap(([, route, service]) => {
    const [, prefix, , rest] = /^(.*?)(\((docs)\|(?:openapi\\.json)\))?$/.exec(route!)!;
    return rest
      ? [`${prefix}docs`, `${prefix}openapi.json`].map((each) => [each, service])
      : [[route, service]];
  });
  expect(Object.fromEntries(paths)).toEqual(Object.fromEntries(routes));
});

test('what is switched on is there, and what a service has of its own is only there', async () => {
  const objects = await helm.objects(4, ...SETS['everything on']!);
  const scalers = ofKind(objects, 'HorizontalPodAutoscaler').map(({ spec }) => [
    spec.scaleTargetRef.name,
    spec.maxReplicas,
  ]);
  const name = (service: string) => `shop-stream-processing-${service}`;
  expect(Object.fromEntries(scalers)).toEqual({
    [name('user-service')]: 4,
    [name('billing-service')]: 4,
    [name('notification-service')]: 4,
    [name('order-service')]: 8,
  });
  for (const { metadata, spec } of ofKind(objects, 'Deployment')) {
    expect(spec).not.toHaveProperty('replicas');
    const [{ env, resources }] = spec.template.spec.containers;
    const large = metadata.name === name('order-service');
    expect(resources.limits.memory).toBe(large ? '1Gi' : '512Mi');
    expect(env).toContainEqual({
      name: 'NODE_OPTIONS',
      value: `--max-old-space-size=${large ? 768 : 384} --max-semi-space-size=16`,
    });
    expect(env).toContainEqual({ name: 'TZ', value: 'UTC' });
  }
  const [monitor] = ofKind(objects, 'ServiceMonitor');
  expect(monitor).toMatchObject({
    metadata: { labels: { release: 'prometheus' } },
    spec: { endpoints: [{ port: 'http', path: '/metrics', interval: '30s' }] },
  });
  const watched = ofKind(objects, 'Service').filter((each) =>
    matches(monitor.spec.selector, each.metadata.labels),
  );
  expect(watched.filter((each) => each.spec.ports[0].name === 'http')).toHaveLength(4);
  expect(ofKind(objects, 'PodDisruptionBudget')).toHaveLength(4);
  const [pod] = ofKind(objects, 'Pod');
  expect(pod.metadata.annotations['helm.sh/hook']).toBe('test');
});

const kafkaSettings = (objects: Manifest[]) => {
  const { data } = ofKind(objects, 'ConfigMap').find((each) => each.data.HOST);
  return Object.fromEntries(Object.entries(data).filter(([name]) => /^(KAFKA_|EVENT_LOG)/.test(name)));
};

test('by default nothing speaks of Kafka but the setting that says so', async () => {
  const objects = await helm.objects(4);
  expect(kafkaSettings(objects)).toEqual({ EVENT_LOG: 'postgres' });
  expect(JSON.stringify(objects).replace('EVENT_LOG', '')).not.toMatch(/kafka/i);
});

test('events by Kafka: the settings, and a way out to the brokers’ ports for the services alone', async () => {
  const objects = await helm.objects(4, ...SETS['events by Kafka']!);
  const settings = {
    EVENT_LOG: 'kafka',
    KAFKA_BROKERS: 'kafka-1:9092,kafka-2:9092,kafka-3:9093',
    KAFKA_TOPIC_PREFIX: 'stream-processing.',
    KAFKA_REPLICATION_FACTOR: '3',
    KAFKA_RETENTION_HOURS: '168',
  };
  expect(kafkaSettings(objects)).toEqual(settings);
  const { kafka } = readConfig(settings);
  expect(kafka, 'the chart’s defaults are those of the settings').toEqual(
    readConfig({ EVENT_LOG: 'kafka', KAFKA_BROKERS: settings.KAFKA_BROKERS }).kafka,
  );
  const policy = ofKind(objects, 'NetworkPolicy').find((each) => each.metadata.name.endsWith('-kafka'));
  const ports = [9092, 9093].map((port) => ({ port, protocol: 'TCP' }));
  expect(policy.spec).toMatchObject({ policyTypes: ['Egress'], egress: [{ ports }] });
  const selected = podsOf(objects).filter((pod) => matches(policy.spec.podSelector, pod.metadata.labels));
  const services = selected.map((pod) => pod.metadata.labels['app.kubernetes.io/component']);
  expect(services.sort()).toEqual(Object.keys(PORTS).sort());
});

test('Kafka by TLS: files from Secrets, read-only, where the settings look for them; the user from a Secret', async () => {
  const objects = await helm.objects(4, ...SETS['Kafka by TLS, with certificate, user and peers']!);
  const { KAFKA_TLS_CA_FILE, KAFKA_TLS_CERT_FILE, KAFKA_TLS_KEY_FILE, ...settings } = kafkaSettings(objects);
  expect(settings).toMatchObject({ KAFKA_TLS: 'true', KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' });
  for (const { spec } of ofKind(objects, 'Deployment')) {
    const [{ env, volumeMounts }] = spec.template.spec.containers;
    const files = spec.template.spec.volumes.flatMap(({ name, secret }: Manifest) => {
      const { mountPath } = volumeMounts.find((mount: Manifest) => mount.name === name);
      expect(secret.defaultMode).toBe(0o440);
      return secret.items.map((item: Manifest) => [
        `${mountPath}/${item.path}`,
        `${secret.secretName}, ${item.key}`,
      ]);
    });
    expect(Object.fromEntries(files)).toEqual({
      [String(KAFKA_TLS_CA_FILE)]: 'authorities, ca.crt',
      [String(KAFKA_TLS_CERT_FILE)]: 'certificate, tls.crt',
      [String(KAFKA_TLS_KEY_FILE)]: 'certificate, tls.key',
    });
    for (const key of ['username', 'password'])
      expect(env).toContainEqual({
        name: `KAFKA_SASL_${key.toUpperCase()}`,
        valueFrom: { secretKeyRef: { name: 'brokers', key } },
      });
  }
  const policy = ofKind(objects, 'NetworkPolicy').find((each) => each.metadata.name.endsWith('-kafka'));
  const ports = [9092, 9093, 9094].map((port) => ({ port, protocol: 'TCP' }));
  expect(policy.spec.egress).toEqual([{ ports, to: [{ ipBlock: { cidr: '10.20.0.0/16' } }] }]);
});

describe.each(HELM_VERSIONS)('Helm %i', (version) => {
  const refusal = async (...args: string[]) => {
    const { code, stderr } = await helm.template(version, ...args);
    expect(code).not.toBe(0);
    return stderr;
  };

  test.each([
    ['replicas=two', /replicas.*integer/],
    ['replica=2', /replica.* not allowed/],
    ['services.order.replica=2', /replica.* not allowed/],
    ['services.orders.replicas=2', /orders.* not allowed/],
    ['settings.currency=rubles', /currency/],
    ['settings.partitions=0', /partitions/],
    ['settings.logRetentionHours=-1', /logRetentionHours/],
    [
      'eventLog=kafka,kafka.brokers={k:1},settings.logRetentionHours=100',
      /logRetentionHours is 100, but kafka\.retentionHours is 168/,
    ],
    ['settings.logLevel=loud', /logLevel/],
    ['image.tag=5', /tag.*string/],
    ['ingress.enabled=yes', /enabled.*boolean/],
    ['database.url=mysql://db/shop', /url/],
    ['postgres.password=x', /password.* not allowed/],
    ['postgres.image.tag=16-bookworm', /postgres\.image\.tag is 16-bookworm: .* must be 17 or newer/],
    ['resources.limits.memory=lots', /memory/],
    ['terminationGracePeriodSeconds=30', /terminationGracePeriodSeconds/],
    ['terminationGracePeriodSeconds=46', /must be preStopSeconds \+ 45 at least/],
    [
      'database.urls.user=postgres://db/users',
      /database\.urls has no address for billing, notification, order: /,
    ],
    [
      'database.url=postgres://db/shop,database.existingSecret=x',
      /leave database\.url and database\.urls empty/,
    ],
    ['autoscaling.enabled=true,autoscaling.minReplicas=9', /minReplicas is above maxReplicas/],
    ['eventLog=nats', /eventLog/],
    ['eventLog=kafka', /eventLog is kafka, but kafka\.brokers is empty: name some brokers, as /],
    ['eventLog=kafka,kafka.brokers={kafka-1}', /brokers/],
    ['eventLog=kafka,kafka.brokers=kafka-1:9092', /brokers.*array/],
    ['kafka.replicationFactor=0', /replicationFactor/],
    ['kafka.topicPrefix=a b', /topicPrefix/],
    ['kafka.retentionHours=-1', /retentionHours/],
    ['kafka.sasl.mechanism=GSSAPI', /mechanism/],
    ['kafka.sasl.password=x', /password.* not allowed/],
    ['networkPolicy.kafkaPorts={0}', /kafkaPorts/],
    [
      `${KAFKA},kafka.sasl.mechanism=PLAIN`,
      /existingSecret must name a Secret with the keys username and password/,
    ],
    [`${KAFKA},kafka.sasl.existingSecret=x`, /but no kafka\.sasl\.mechanism/],
    [`${KAFKA},kafka.tls.caSecret=x`, /do nothing without kafka\.tls\.enabled/],
  ])('refuses %s', async (value, sentence) => {
    expect(await refusal('--set', value)).toMatch(sentence);
  });

  test('generates passwords of 32 characters, others for each installation', async () => {
    const passwords = async () => {
      const [secret] = ofKind(await helm.objects(version), 'Secret');
      expect(secret.metadata.annotations['helm.sh/resource-policy']).toBe('keep');
      return Object.values<string>(secret.data).map((text) => Buffer.from(text, 'base64').toString());
    };
    const all = [...(await passwords()), ...(await passwords())];
    for (const password of all) expect(password).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(new Set(all).size).toBe(4);
  });

  test('keeps the passwords that are there, and stops at a Secret that is not or lacks a key', async () => {
    const kept = { POSTGRES_PASSWORD: 'first', SERVICES_PASSWORD: 'second' };
    const cluster = await fakeCluster(helm.folder, {
      'shop-stream-processing-postgres': kept,
      other: { PASSWORD: 'x' },
      own: { DATABASE_URL: OWN_URL },
    });
    try {
      const asked = ['--dry-run=server', '--disable-openapi-validation', '--kubeconfig', cluster.kubeconfig];
      const secrets = ofKind(await helm.objects(version, ...asked, '--is-upgrade'), 'Secret');
      expect(secrets.map((secret) => secret.data)).toEqual([
        { POSTGRES_PASSWORD: btoa('first'), SERVICES_PASSWORD: btoa('second') },
      ]);
      const refused = (value: string) => refusal(...asked, '--set', value);
      expect(await refused('database.existingSecret=none')).toContain(
        'there is no Secret none in the namespace shop, which database.existingSecret names: create it first',
      );
      expect(await refused('postgres.existingSecret=none')).toContain('which postgres.existingSecret names');
      expect(await refused('database.existingSecret=other')).toContain(
        'needs the key DATABASE_URL, or all of',
      );
      expect(await refused('postgres.existingSecret=other')).toContain(
        'needs the keys POSTGRES_PASSWORD and SERVICES_',
      );
      const sasl = `${KAFKA},kafka.sasl.mechanism=PLAIN,kafka.sasl.existingSecret`;
      expect(await refused(`${sasl}=none`)).toContain(
        'which kafka.sasl.existingSecret names: create it first',
      );
      expect(await refused(`${sasl}=other`)).toContain(
        'the Secret other (kafka.sasl.existingSecret) needs the keys username, password',
      );
      const tls = `${KAFKA},kafka.tls.enabled=true,kafka.tls`;
      expect(await refused(`${tls}.caSecret=none`)).toContain(
        'which kafka.tls.caSecret names: create it first',
      );
      expect(await refused(`${tls}.clientSecret=other`)).toContain(
        'the Secret other (kafka.tls.clientSecret) needs the keys tls.crt, tls.key',
      );
      const taken = await helm.objects(version, ...asked, '--set', 'database.existingSecret=own');
      expect(ofKind(taken, 'Secret')).toEqual([]);
    } finally {
      cluster.close();
    }
  });

  test('takes a newer PostgreSQL, and has no say in one of your own', async () => {
    const tag = (value: string) => ['--set-string', `postgres.image.tag=${value}`];
    for (const value of ['17', '18.1-trixie', '100'])
      expect(await helm.template(version, ...tag(value))).toMatchObject({ code: 0 });
    const elsewhere = ['--set', `database.url=${OWN_URL}`];
    expect(await helm.template(version, ...tag('16'), ...elsewhere)).toMatchObject({ code: 0 });
  });

  test('pods that are not ready hold up no drain, where the cluster knows that word', async () => {
    const policies = async (cluster: string) => {
      const objects = await helm.objects(version, '--kube-version', cluster);
      const budgets = ofKind(objects, 'PodDisruptionBudget').map(({ spec }) => spec);
      expect(budgets.map((spec) => spec.maxUnavailable)).toEqual([1, 1, 1, 1]);
      return [...new Set(budgets.map((spec) => spec.unhealthyPodEvictionPolicy))];
    };
    for (const cluster of ['v1.35.0', 'v1.31.4', 'v1.27.0-gke.100'])
      expect({ cluster, policies: await policies(cluster) }).toEqual({ cluster, policies: ['AlwaysAllow'] });
    for (const cluster of ['v1.26.15', 'v1.25.0'])
      expect({ cluster, policies: await policies(cluster) }).toEqual({ cluster, policies: [undefined] });
  });

  test('packs the chart', async () => {
    const chart = path.join(import.meta.dirname, '..', 'helm');
    const packed = await helm.run(version, 'package', chart, '--destination', helm.folder);
    expect(packed).toMatchObject({ code: 0 });
  });

  test('tells the next commands', async () => {
    const cluster = await fakeCluster(helm.folder, {});
    try {
      const flags = [
        '--dry-run=client',
        '--disable-openapi-validation',
        '--kubeconfig',
        cluster.kubeconfig,
        '--namespace',
        'shop',
      ];
      const chart = path.join(import.meta.dirname, '..', 'helm');
      const installed = await helm.run(version, 'install', 'shop', chart, ...flags);
      expect(installed.stdout).toContain('helm test shop --namespace shop --logs');
      expect(installed.stdout).toContain('curl http://arch.homework/trial-balance');
      expect(installed.stdout).not.toContain('Kafka');
      const onKafka = await helm.run(version, 'install', 'shop', chart, ...flags, '--set', KAFKA);
      expect(onKafka.stdout).toContain(
        'Events travel by Kafka, through kafka-1:9092, kafka-2:9092, kafka-3:9093.',
      );
    } finally {
      cluster.close();
    }
  });
});

test('the checks can fail: an unknown field and a missing one are found', async () => {
  const [deployment] = ofKind(await helm.objects(4), 'Deployment');
  const unknown = structuredClone(deployment);
  unknown.spec.template.spec.container = [];
  expect(await helm.unknownFields([unknown])).toContain('container');
  const missing = structuredClone(deployment);
  delete missing.spec.selector;
  expect(helm.invalid([missing])).toEqual([expect.stringContaining('selector')]);
  await writeFile(path.join(helm.folder, 'manifests.ts'), '');
});
