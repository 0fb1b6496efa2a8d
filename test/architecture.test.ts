import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

/** Which folders of src each folder may import besides itself: downward only, and no daemon another daemon. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  time: [],
  store: ['time'],
  kv: ['time'],
  schema: [],
  engine: ['schema', 'store', 'time'],
  controller: ['engine', 'schema', 'store', 'time'],
  cell: ['engine', 'schema', 'store', 'time'],
  router: ['engine', 'schema', 'store', 'time'],
  cli: ['controller', 'cell', 'router', 'kv', 'engine', 'schema', 'store', 'time'],
  'main.ts': ['cli'],
};

/** The one folder that may import each package of npm. */
const packageHome: Readonly<Record<string, string>> = {
  etcd3: 'store',
  protobufjs: 'store',
  'p-queue': 'engine',
  'prom-client': 'engine',
  pino: 'engine',
  zod: 'schema',
  yaml: 'schema',
  croner: 'schema',
  commander: 'cli',
  dockerode: 'cell',
  lmdb: 'kv',
  pg: 'kv',
};

/** What only one place may touch, so that everything else can be tested with a clock and an environment of its own. */
const reserved: readonly { readonly what: string; readonly pattern: RegExp; readonly home: RegExp }[] = [
  { what: 'the environment', pattern: /\bprocess\.env\b/, home: /^cli\// },
  {
    what: 'the machine’s clock',
    pattern: /\b(Date\.now|new Date\(\)|performance\.now|set(Timeout|Interval)\()/,
    home: /^time\/clock\.ts$/,
  },
];

interface Source {
  /** Path below src. */
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const src = fileURLToPath(new URL('../../src', import.meta.url));
const sources: readonly Source[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => {
    const text = readFileSync(join(src, path), 'utf8');
    const imports = [
      ...text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|\bimport\(?\s*'([^']+)'/g),
    ];
    return { path, folder: folderOf(path), text, imports: imports.map((match) => (match[1] ?? match[2]) as string) };
  });

function folderOf(path: string): string {
  return path.split('/')[0] as string;
}

/** Where an import leads: a folder of src, or a package of npm; undefined for the folder itself and for Node. */
function targetOf(
  source: Source,
  specifier: string,
): { readonly folder: string } | { readonly npm: string } | undefined {
  if (specifier.startsWith('.')) {
    const folder = folderOf(normalize(join(dirname(source.path), specifier)));
    return folder === source.folder ? undefined : { folder };
  }
  if (isBuiltin(specifier)) return undefined;
  const [scope = '', name = ''] = specifier.split('/');
  return { npm: scope.startsWith('@') ? `${scope}/${name}` : scope };
}

/** One line per folder: what it imports now and what it may. */
function map(): string {
  return Object.keys(mayImport)
    .map((folder) => {
      const targets = sources
        .filter((source) => source.folder === folder)
        .flatMap((source) => source.imports.map((specifier) => targetOf(source, specifier)));
      const names = new Set(targets.flatMap((target) => (target ? [Object.values(target)[0] as string] : [])));
      const packages = Object.keys(packageHome).filter((name) => packageHome[name] === folder);
      return `  ${folder.padEnd(10)} imports ${[...names].sort().join(', ') || 'nothing'}; may import ${[...(mayImport[folder] ?? []), ...packages].join(', ') || 'nothing'}`;
    })
    .join('\n');
}

describe('the import rule', () => {
  it('imports run downward only, daemons never import each other, and each package has one home', () => {
    const broken: string[] = [];
    for (const source of sources) {
      for (const specifier of source.imports) {
        const target = targetOf(source, specifier);
        if (!target) continue;
        const allowed =
          'folder' in target
            ? mayImport[source.folder]?.includes(target.folder)
            : packageHome[target.npm] === source.folder;
        if (!allowed) broken.push(`src/${source.path} imports ${specifier}`);
      }
    }
    expect(broken, `${broken.join('\n')}\nThe map:\n${map()}\n`).to.deep.equal([]);
  });

  it('schema and time know no I/O: they import nothing of Node', () => {
    const broken = sources
      .filter(({ folder }) => folder === 'schema' || folder === 'time')
      .flatMap(({ path, imports }) => imports.filter(isBuiltin).map((name) => `src/${path} imports ${name}`));
    expect(broken).to.deep.equal([]);
  });

  for (const { what, pattern, home } of reserved) {
    it(`${what} is used in one place only`, () => {
      const broken = sources.filter(({ path, text }) => !home.test(path) && pattern.test(text)).map(({ path }) => path);
      expect(broken).to.deep.equal([]);
    });
  }
});
