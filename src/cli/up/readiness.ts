import type { KeyValue } from '../../store/store.ts';
import type { Herd, InstanceView } from '../herd.ts';
import { readHerd } from '../read-herd.ts';
import { instanceStatus, nodeStatus, waitsFor } from '../status.ts';
import type { Look } from '../wait-for.ts';

/** Whether a controller leads, and so many cells and a router have registered. */
export function allPresent(cells: number): (keys: readonly KeyValue[]) => Look {
  return (keys) => {
    const herd = readHerd(keys);
    const registered = [...herd.cells.values()].filter(({ registration }) => registration).length;
    const missing = [
      ...(herd.controller === undefined ? ['a leading controller'] : []),
      ...(registered < cells ? [`${cells - registered} of ${cells} cells`] : []),
      ...(herd.routers.size === 0 ? ['the router'] : []),
    ];
    return missing.length === 0 ? { done: true } : { done: false, waitsFor: missing.join(', ') };
  };
}

/** Whether every instance that has a document is ready, and its port leads to its leader. */
export function allReady(keys: readonly KeyValue[]): Look {
  const herd = readHerd(keys);
  const all = [...herd.instances.values()].filter(({ document }) => document);
  const waiting = all.filter((instance) => !isReady(instance, herd));
  const [first] = waiting;
  if (!first) return { done: true };
  const why = waitsFor(first, herd.controller) ?? 'its nodes and its route are not yet as they were';
  const progress = all.length > 1 ? `${all.length - waiting.length} of ${all.length} are ready; ` : '';
  return { done: false, waitsFor: `${progress}${first.id}: ${why}` };
}

/** The state in the store may be from before the herd was stopped: what it says is looked at in the cells and routers. */
function isReady(instance: InstanceView, herd: Herd): boolean {
  const routed = [...herd.routers.values()].some(
    ({ registration }) =>
      registration.ok && BigInt(registration.value.applied_revision) >= (instance.leaderRevision ?? Infinity),
  );
  const running = instance.nodes.every((node) => nodeStatus(node, herd).ready);
  return routed && running && instanceStatus(instance).startsWith('Ready');
}
