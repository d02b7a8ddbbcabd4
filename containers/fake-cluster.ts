/**
 * As much of a Kubernetes API as `helm template --dry-run=server` asks for its `lookup`: which namespaces and Secrets there
 * are. The real one is not to be had without images.
 */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

type Secrets = Record<string, Record<string, string>>;

export interface FakeCluster {
  /** For `--kubeconfig`. */
  kubeconfig: string;
  close: () => void;
}

/** A cluster with the namespace `shop` and in it these Secrets, their values as plain text. */
export async function fakeCluster(folder: string, secrets: Secrets): Promise<FakeCluster> {
  const server = createServer((request, response) => {
    const found = answers(secrets)[request.url!.split('?')[0]!];
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
    const missing = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404 };
    response.end(JSON.stringify(found ?? missing));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const kubeconfig = path.join(folder, `kubeconfig-${port}`);
  const named = (kind: string, value: object) => [{ name: 'fake', [kind]: value }];
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: named('cluster', { server: `http://127.0.0.1:${port}` }),
    users: named('user', {}),
    contexts: named('context', { cluster: 'fake', user: 'fake' }),
    'current-context': 'fake',
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  return { kubeconfig, close: () => void server.close() };
}

/** What Helm looks for before it takes an object that is there for its own. */
const OF_THE_RELEASE = {
  labels: { 'app.kubernetes.io/managed-by': 'Helm' },
  annotations: { 'meta.helm.sh/release-name': 'shop', 'meta.helm.sh/release-namespace': 'shop' },
};

/** The kinds that the chart has, by group and version. */
const KINDS: Record<string, Record<string, string>> = {
  v1: {
    configmaps: 'ConfigMap',
    pods: 'Pod',
    secrets: 'Secret',
    serviceaccounts: 'ServiceAccount',
    services: 'Service',
  },
  'apps/v1': { deployments: 'Deployment', statefulsets: 'StatefulSet' },
  'networking.k8s.io/v1': { ingresses: 'Ingress', networkpolicies: 'NetworkPolicy' },
  'policy/v1': { poddisruptionbudgets: 'PodDisruptionBudget' },
};

function answers(secrets: Secrets): Record<string, object> {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const objects = Object.entries(secrets).map(([name, values]) => [
    `/api/v1/namespaces/shop/secrets/${name}`,
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace: 'shop', ...OF_THE_RELEASE },
      data: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, base64(value)])),
    },
  ]);
  const groups = Object.keys(KINDS).filter((groupVersion) => groupVersion !== 'v1');
  return {
    '/version': { major: '1', minor: '31', gitVersion: 'v1.31.0' },
    '/api': { kind: 'APIVersions', versions: ['v1'] },
    '/apis': {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: groups.map((groupVersion) => {
        const [name, version] = groupVersion.split('/');
        return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } };
      }),
    },
    ...Object.fromEntries(Object.keys(KINDS).map(resourcesOf)),
    '/api/v1/namespaces/shop': { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
    ...Object.fromEntries(objects),
  };
}

function resourcesOf(groupVersion: string): [string, object] {
  const namespaced = Object.entries(KINDS[groupVersion]!).map(([name, kind]) => ({
    name,
    kind,
    namespaced: true,
  }));
  const namespaces = { name: 'namespaces', kind: 'Namespace', namespaced: false };
  const resources = groupVersion === 'v1' ? [...namespaced, namespaces] : namespaced;
  const path = groupVersion === 'v1' ? '/api/v1' : `/apis/${groupVersion}`;
  const withVerbs = resources.map((resource) => ({ ...resource, singularName: '', verbs: ['get'] }));
  return [path, { kind: 'APIResourceList', groupVersion, resources: withVerbs }];
}
