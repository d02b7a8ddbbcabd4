/**
 * A poor man's kubelet: runs what a chart renders as containers of the engine, all at once and in no order, with the users,
 * rights, file systems, settings, volumes and memory that the manifests give them. What it leaves out is what a cluster
 * alone has: policies, scheduling, scaling.
 */
import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { until } from '../test/until.ts';
import { outcome, type Result } from './command.ts';
import type { Manifest } from './helm.ts';
import { POLL_MS } from './stack.ts';

const NAME = 'stream-processing-pods';
const READY_MS_MAX = 240_000;

interface Container {
  name: string;
  pod: Manifest;
}

export class Pods {
  readonly #env: Record<string, string>;
  readonly #objects: Manifest[];
  readonly #folder: string;
  readonly #running: Container[] = [];
  readonly #volumes: string[] = [];
  readonly #beside: string[] = [];

  /** `folder` holds what pods mount. */
  constructor(env: Record<string, string>, objects: Manifest[], folder: string) {
    this.#env = env;
    this.#objects = objects;
    this.#folder = folder;
  }

  docker(...args: string[]): Promise<Result> {
    return outcome('docker', args, { env: this.#env });
  }

  async #must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.docker(...args);
    if (code !== 0) throw new Error(`docker ${args.join(' ')}:\n${stdout}\n${stderr}`);
    return stdout.trim();
  }

  /** Starts every replica of everything. */
  async start(): Promise<void> {
    await this.#must('network', 'create', NAME);
    for (const object of this.#objects) {
      if (!object.spec?.template) continue;
      for (let i = 0; i < object.spec.replicas; i += 1) {
        const name = `${object.metadata.name}-${i}`;
        this.#running.push({ name, pod: object.spec.template });
        await this.#must('run', '--detach', ...(await this.#flags(name, object.spec.template, object)));
      }
    }
  }

  /** A container that is no pod but lives next to them, under its name: `docker run` with these arguments. */
  async startBeside(name: string, ...args: string[]): Promise<void> {
    this.#beside.push(name);
    await this.#must('run', '--detach', `--name=${name}`, `--network=${NAME}`, ...args);
  }

  /** Until the readiness probe of each succeeds. */
  async ready(): Promise<void> {
    for (const container of this.#running) {
      const ready = () => this.#probe(container);
      await until(`${container.name} is ready`, ready, READY_MS_MAX, POLL_MS).catch(async (error) => {
        throw new Error(`${error.message}\n${await this.logs(container.name)}`);
      });
    }
  }

  async logs(name: string): Promise<string> {
    const { stdout, stderr } = await this.docker('logs', name);
    return stdout + stderr;
  }

  get names(): string[] {
    return this.#running.map((container) => container.name);
  }

  /** Runs a pod to its end. */
  async run(pod: Manifest): Promise<Result> {
    return this.docker('run', '--rm', ...(await this.#flags(pod.metadata.name, pod, pod)));
  }

  /** As the kubelet stops a pod: what comes before the signal, the signal, and SIGKILL when the time is over. Resolves to the exit code. */
  async stop(name: string): Promise<number> {
    const { pod } = this.#running.find((container) => container.name === name)!;
    const before = pod.spec.containers[0].lifecycle?.preStop.exec.command;
    if (before) await this.#must('exec', name, ...before);
    await this.#must('stop', '--time', String(pod.spec.terminationGracePeriodSeconds), name);
    return Number(await this.#must('inspect', '--format', '{{.State.ExitCode}}', name));
  }

  async remove(): Promise<void> {
    for (const name of this.#beside) await this.docker('rm', '--force', '--volumes', name);
    for (const { name } of this.#running) await this.docker('rm', '--force', '--volumes', name);
    for (const volume of this.#volumes) await this.docker('volume', 'rm', volume);
    await this.docker('network', 'rm', NAME);
  }

  async #probe({ name, pod }: Container): Promise<boolean> {
    const [{ readinessProbe, ports }] = pod.spec.containers;
    if (readinessProbe.exec)
      return (await this.docker('exec', name, ...readinessProbe.exec.command)).code === 0;
    const address = await this.#must(
      'inspect',
      '--format',
      `{{(index .NetworkSettings.Networks "${NAME}").IPAddress}}`,
      name,
    );
    const { containerPort } = ports.find((port: Manifest) => port.name === readinessProbe.httpGet.port);
    const answer = await fetch(`http://${address}:${containerPort}${readinessProbe.httpGet.path}`).catch(
      () => undefined,
    );
    return answer?.status === 200;
  }

  async #flags(name: string, pod: Manifest, owner: Manifest): Promise<string[]> {
    const [container] = pod.spec.containers;
    const { runAsUser, runAsGroup } = pod.spec.securityContext;
    const { readOnlyRootFilesystem, capabilities, allowPrivilegeEscalation } = container.securityContext;
    return [
      `--name=${name}`,
      `--hostname=${name}`,
      `--network=${NAME}`,
      ...this.#servicesOf(pod).map((service) => `--network-alias=${service}`),
      `--user=${runAsUser}:${runAsGroup}`,
      ...(readOnlyRootFilesystem ? ['--read-only'] : []),
      ...(allowPrivilegeEscalation ? [] : ['--security-opt=no-new-privileges']),
      ...capabilities.drop.map((capability: string) => `--cap-drop=${capability}`),
      `--memory=${container.resources.limits.memory.replace(/i$/, '').toLowerCase()}`,
      ...Object.entries(this.#environment(container)).map(([key, value]) => `--env=${key}=${value}`),
      ...(await this.#mounts(name, pod, owner)),
      container.image,
      ...container.args,
    ];
  }

  #servicesOf(pod: Manifest): string[] {
    const services = this.#objects.filter((object) => object.kind === 'Service');
    const labels = pod.metadata.labels;
    const selects = (service: Manifest) =>
      Object.entries(service.spec.selector).every(([key, value]) => labels[key] === value);
    return services.filter(selects).map((service) => service.metadata.name);
  }

  #named(kind: string, name: string): Record<string, string> {
    const object = this.#objects.find((each) => each.kind === kind && each.metadata.name === name);
    if (!object) throw new Error(`there is no ${kind} ${name}`);
    if (kind === 'ConfigMap') return object.data;
    const decoded = Object.entries<string>(object.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString(),
    ]);
    return { ...Object.fromEntries(decoded), ...object.stringData };
  }

  #environment({ envFrom = [], env = [] }: Manifest): Record<string, string> {
    const all: Record<string, string> = {};
    for (const { configMapRef, secretRef } of envFrom) {
      if (configMapRef) Object.assign(all, this.#named('ConfigMap', configMapRef.name));
      if (secretRef) Object.assign(all, this.#named('Secret', secretRef.name));
    }
    for (const { name, value, valueFrom } of env) {
      const { secretKeyRef } = valueFrom ?? {};
      all[name] = secretKeyRef
        ? this.#named('Secret', secretKeyRef.name)[secretKeyRef.key]!
        : value.replace(/\$\((\w+)\)/g, (whole: string, other: string) => all[other] ?? whole);
    }
    return all;
  }

  async #mounts(name: string, { spec }: Manifest, owner: Manifest): Promise<string[]> {
    const [{ volumeMounts = [] }] = spec.containers;
    const flags = [];
    for (const { name: volume, mountPath, readOnly } of volumeMounts) {
      const found = spec.volumes?.find((each: Manifest) => each.name === volume);
      if (found?.emptyDir) {
        flags.push(`--tmpfs=${mountPath}:mode=1777,uid=${spec.securityContext.fsGroup}`);
      } else if (found?.configMap) {
        const folder = path.join(this.#folder, `${name}-${volume}`);
        await mkdir(folder);
        for (const [file, text] of Object.entries(this.#named('ConfigMap', found.configMap.name))) {
          await writeFile(path.join(folder, file), text);
          await chmod(path.join(folder, file), found.configMap.defaultMode);
        }
        await chmod(folder, 0o755);
        flags.push(`--volume=${folder}:${mountPath}${readOnly ? ':ro' : ''}`);
      } else if (found?.secret) {
        flags.push(
          `--volume=${await this.#secretFiles(name, spec, found)}:${mountPath}${readOnly ? ':ro' : ''}`,
        );
      } else {
        const claim = owner.spec.volumeClaimTemplates.find((each: Manifest) => each.metadata.name === volume);
        this.#volumes.push(`${claim.metadata.name}-${name}`);
        flags.push(`--volume=${claim.metadata.name}-${name}:${mountPath}`);
      }
    }
    return flags;
  }
  /** The keys that are asked for, as files of root and of the pod's group. */
  async #secretFiles(name: string, spec: Manifest, { name: volume, secret }: Manifest): Promise<string> {
    const folder = await mkdtemp(path.join(this.#folder, `${name}-${volume}-`));
    const values = this.#named('Secret', secret.secretName);
    for (const { key, path: file } of secret.items) await writeFile(path.join(folder, file), values[key]!);
    const mode = secret.defaultMode.toString(8);
    const script = `chown -R 0:${spec.securityContext.fsGroup} /files && chmod 0755 /files && chmod ${mode} /files/*`;
    const asRoot = ['run', '--rm', '--user=0', '--entrypoint=bash', `--volume=${folder}:/files`];
    await this.#must(...asRoot, spec.containers[0].image, '-c', script);
    return folder;
  }
}
