import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { Command } from '../fixtures/command.ts';
import { containersOf, type Manifest, renderKustomization } from '../fixtures/kustomize.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const overlays = join(root, 'deploy/kubernetes/overlays');

/** The package that has the published schema of an API version. */
const packageOf = (apiVersion: string): string =>
  apiVersion.startsWith('monitoring.coreos.com/')
    ? `@kubernetes-models/prometheus-operator/${apiVersion}`
    : `kubernetes-models/${apiVersion}`;

type Model = new (data: unknown) => { validate(): void };

/** What the published schema of its kind says against an object; undefined when nothing. */
async function validate(object: Manifest): Promise<string | undefined> {
  const models = (await import(packageOf(object.apiVersion))) as Record<string, Model>;
  const Kind = models[object.kind];
  if (!Kind) return `no schema for ${object.apiVersion} ${object.kind}`;
  try {
    new Kind(object).validate();
    return undefined;
  } catch (error) {
    return `${object.kind} ${object.metadata.name}: ${(error as Error).message}`;
  }
}

/** Schemas let fields pass that they do not know; the compiler, with the same package's types, does not. */
function unknownFields(objects: readonly Manifest[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'pgherd-manifests-'));
  try {
    const lines = objects.map(({ apiVersion, kind, ...rest }, index) => {
      const type = `import('${packageOf(apiVersion)}').I${kind}`;
      return `export const o${index}: ${type} = ${JSON.stringify({ apiVersion, kind, ...rest })};\n`;
    });
    writeFileSync(join(dir, 'manifests.ts'), lines.join(''));
    const compilerOptions = {
      ...{ strict: true, noEmit: true, skipLibCheck: true, module: 'nodenext', types: [] },
      paths: { '*': [`${join(root, 'node_modules')}/*`] },
    };
    writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['manifests.ts'] }));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    return spawnSync(process.execPath, [tsc, '-p', dir], { encoding: 'utf8' }).stdout;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const byName = (one: Manifest, other: Manifest) =>
  `${one.kind}/${one.metadata.name}` < `${other.kind}/${other.metadata.name}` ? -1 : 1;

describe('deploy/kubernetes', () => {
  for (const overlay of readdirSync(overlays)) {
    describe(overlay, () => {
      const objects = renderKustomization(join(overlays, overlay)).sort(byName);

      it('every object passes the published schemas, and has no field that they do not know', async () => {
        const problems = await Promise.all(objects.map(validate));
        expect(problems.filter((problem) => problem !== undefined)).to.deep.equal([]);
        expect(unknownFields(objects)).to.equal('');
      });

      it('the schemas find what is wrong', async () => {
        const [deployment] = objects.filter(({ kind }) => kind === 'Deployment') as [Manifest];
        const wrong = structuredClone(deployment) as unknown as { spec: Record<string, unknown> };
        wrong.spec['replicas'] = 'two';
        expect(await validate(wrong as unknown as Manifest)).to.match(/replicas/);
        wrong.spec['replicas'] = 2;
        wrong.spec['replicsa'] = 2;
        expect(unknownFields([wrong as unknown as Manifest])).to.match(/replicsa/);
      });

      it('is what kubectl kustomize makes of it, where kubectl is installed', () => {
        const kubectl = spawnSync('kubectl', ['kustomize', join(overlays, overlay)], { encoding: 'utf8' });
        // Debian has none that is new enough: what is rendered without it is held to the schemas all the same.
        if (kubectl.error) return;
        expect(kubectl.status, kubectl.stderr).to.equal(0);
        const rendered = [...parseAllDocuments(kubectl.stdout)].map((document) => document.toJS() as Manifest);
        expect(rendered.sort(byName)).to.deep.equal(objects);
      });

      it('selects its own pods, mounts what it has, and gives variables that the daemons know', async () => {
        const config = objects.find(({ kind }) => kind === 'ConfigMap') as Manifest & { data: Record<string, string> };
        for (const object of objects) {
          const [container] = containersOf(object);
          if (!container) continue;
          const { spec } = object as unknown as Workload;
          expect(spec.template.metadata.labels, object.metadata.name).to.include(spec.selector.matchLabels);
          const volumes = spec.template.spec.volumes.map(({ name }) => name);
          expect(volumes).to.have.members((container['volumeMounts'] as { name: string }[]).map(({ name }) => name));
          const [role] = container['args'] as [string];
          const help = (await new Command([role, '--help']).ended).out.replaceAll(/\s+/g, ' ');
          const own = (container['env'] as { name: string }[]).map(({ name }) => name);
          const given = [...own, ...Object.keys(config.data)].filter(
            (name) => name !== 'PGHERD_PORTS' || role !== 'cell',
          );
          expect(given.filter((name) => !help.includes(`env: ${name}`))).to.deep.equal([]);
        }
      });

      it('gives nobody a token or a right', () => {
        const kinds = objects.map(({ kind }) => kind);
        expect(kinds).to.not.include.members(['Role']).and.not.include.members(['ClusterRole']);
        for (const object of objects) {
          const { spec } = object as unknown as Partial<Workload>;
          if (spec?.template) expect(spec.template.spec.automountServiceAccountToken).to.equal(false);
        }
      });
    });
  }
});

interface Workload {
  readonly spec: {
    readonly selector: { readonly matchLabels: Record<string, string> };
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> };
      readonly spec: { readonly volumes: { name: string }[]; readonly automountServiceAccountToken: boolean };
    };
  };
}
