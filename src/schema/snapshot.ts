import { z } from 'zod';
import { assignmentsPrefix, parseAssignmentKey } from './assignment.ts';
import { maintenancePrefix, registeredPrefix } from './cell.ts';
import { parseCredentialsKey } from './credentials.ts';
import { instanceOfDesiredStateKey } from './desired-state.ts';
import { parseFenceKey } from './fence.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';
import { parseScopeKey } from './patroni.ts';
import { parseBackendKey } from './placement.ts';
import { allocationPrefix, nextPortKey, portsPrefix } from './routing.ts';

/** What of a herd cannot be rebuilt. */
const snapshotShape = z.object({
  version: z.literal(1),
  id: z.string().min(1),
  at: z.string(),
  /** The store that it was taken of. */
  cluster: z.string().min(1),
  revision: z.string(),
  /** The cells that had nodes or were registered. */
  cells: z.array(z.string()),
  /** Where nodes were, by instance: cells know better, this tells how many to wait for. */
  placements: z.record(z.string(), z.array(z.object({ node: z.string(), cell: z.string() }))),
  keys: z.array(z.object({ key: z.string(), value: z.string() })),
});
export type Snapshot = z.infer<typeof snapshotShape>;
export const parseSnapshot = (text: string): Parsed<Snapshot> => parseJson(text, snapshotShape);

interface Pair {
  readonly key: string;
  readonly value: string;
}

/** Takes from all pairs of a herd what cannot be rebuilt. */
export function takeSnapshot(
  pairs: Iterable<Pair>,
  about: Pick<Snapshot, 'id' | 'at' | 'cluster' | 'revision'>,
): Snapshot {
  const all = [...pairs];
  const cells = new Set<string>();
  const placements: Record<string, { node: string; cell: string }[]> = {};
  const ours = new Set<string>();
  for (const { key, value } of all) {
    const id = instanceOfDesiredStateKey(key);
    const scope = parseScopeKey(key);
    if (id) ours.add(id);
    if (scope?.rest === 'state') ours.add(scope.instance);
    if (key.startsWith(registeredPrefix)) cells.add(key.slice(registeredPrefix.length));
    if (key.startsWith(assignmentsPrefix)) cells.add(parseAssignmentKey(key)?.cell ?? '');
    const backend = parseBackendKey(key);
    if (backend) {
      placements[backend.instance] ??= [];
      placements[backend.instance]?.push({ node: backend.node, cell: value });
    }
  }
  cells.delete('');
  const keys = all.filter(({ key }) => isKept(key, ours)).map(({ key, value }) => ({ key, value }));
  return { version: 1, ...about, cells: [...cells].sort(), placements, keys };
}

function isKept(key: string, ours: ReadonlySet<string>): boolean {
  if (instanceOfDesiredStateKey(key) || parseCredentialsKey(key) || parseFenceKey(key)) return true;
  if (key === nextPortKey || key.startsWith(allocationPrefix) || key.startsWith(portsPrefix)) return true;
  if (key.startsWith(maintenancePrefix)) return true;
  const scope = parseScopeKey(key);
  return scope !== undefined && ours.has(scope.instance) && ['state', 'initialize', 'config'].includes(scope.rest);
}
