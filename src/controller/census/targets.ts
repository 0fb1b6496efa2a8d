import { patroniPort, postgresqlPort } from '../../schema/binding.ts';
import type { CellId } from '../../schema/ids.ts';
import { instanceOfNode } from '../../schema/ids.ts';
import { parseObservedKey } from '../../schema/observed-node.ts';
import { zoneOf } from '../decide/placement.ts';
import type { Herd } from '../view/herd.ts';
import type { Informers } from '../view/informers.ts';

/** What can be asked for: `/targets?job=patroni`. */
export const targetJobs = ['patroni', 'postgresql', 'cell', 'router'] as const;
export type TargetJob = (typeof targetJobs)[number];

/** One entry of Prometheus' HTTP service discovery. */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** Where the herd can be scraped: every node that runs, every cell and router that says where. */
export function listTargets(
  job: string | null,
  { cells, informers }: { readonly cells: Herd['cells']; readonly informers: Pick<Informers, 'cells' | 'routing'> },
): TargetGroup[] {
  const groups: TargetGroup[] = [];
  const add = (of: TargetJob, target: string | undefined, about: Readonly<Record<string, string | undefined>>) => {
    if (target === undefined || (job !== null && job !== of)) return;
    const labels = Object.entries({ job: of, ...about }).flatMap(([name, value]) =>
      value === undefined ? [] : [[`__meta_pgherd_${name}`, value]],
    );
    groups.push({ targets: [target], labels: Object.fromEntries(labels) });
  };
  for (const { key, value } of informers.cells.entries()) {
    const at = value.kind === 'observed' ? parseObservedKey(key) : undefined;
    if (!at || value.kind !== 'observed' || !value.value.ok) continue;
    const { ports } = value.value.value;
    const about = { scope: instanceOfNode(at.node), ...at, zone: zoneOf(cells.get(at.cell)) };
    add('patroni', ports[patroniPort], about);
    add('postgresql', ports[postgresqlPort], about);
  }
  for (const [cell, { registration }] of cells) {
    if (registration?.ok) add('cell', registration.value.metrics, { cell, zone: registration.value.zone });
  }
  for (const { key, value } of informers.routing.entries()) {
    if (value.kind !== 'router' || !value.value.ok) continue;
    add('router', value.value.value.metrics, { router: key.split('/').at(-1) as CellId });
  }
  return groups;
}
