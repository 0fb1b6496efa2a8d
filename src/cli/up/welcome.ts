import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { credentialOf, uriOf } from '../account.ts';
import type { Herd } from '../herd.ts';
import { instances } from '../resources/instances.ts';
import { named, stateOf } from '../status.ts';
import { type Column, printTable } from '../table.ts';
import type { World } from '../world.ts';
import type { Component, HerdOptions } from './components.ts';

type Running = Component & { readonly pid: number | undefined };

/** What runs, where the metrics are, and the line to paste. */
export function welcome(
  components: readonly Running[],
  herd: Herd,
  url: string,
  { dataDir, runtime }: HerdOptions,
  world: World,
): string {
  const columns: readonly Column<Running>[] = [
    { heading: 'COMPONENT', show: ({ name }) => (name.startsWith('cell-') ? named(name, runtime) : name) },
    { heading: 'PID', show: ({ pid }) => String(pid ?? '') },
    { heading: 'ADDRESS', show: ({ address }) => address },
    { heading: 'METRICS', show: ({ metrics }) => metrics },
  ];
  const rows = instances.rows(herd);
  const narrow = instances.columns(world.clock.now).filter(({ wide }) => !wide);
  return `
${printTable(columns, components)}
${rows.length > 0 ? printTable(narrow, rows) : 'No instances.\n'}${psqlLine(herd, runtime)}
In a second terminal:
  export PGHERD_ETCD=${url}${pathLine(world.self.at(-1) ?? '')}
  pgherd get instances

Data and logs are in ${dataDir}. Ctrl-C stops everything and keeps the data. Events follow.

`;
}

function psqlLine(herd: Herd, runtime: string): string {
  if (runtime === 'simulated') return '\nNodes are simulated: there is no PostgreSQL to connect to.\n';
  const states = [...herd.instances.values()].flatMap((instance) => stateOf(instance) ?? []);
  const state = states.find(({ endpoint, app_credentials }) => endpoint && app_credentials);
  return state ? `\n  psql "${uriOf(credentialOf(state, { user: 'app' }))}"\n` : '';
}

/** In a clone, `pgherd` is not in the PATH by itself. */
function pathLine(script: string): string {
  const bin = join(dirname(script), '../../bin');
  return existsSync(join(bin, 'pgherd')) ? ` PATH="${bin}:$PATH"` : '';
}
