import { Gauge, type Registry } from '../../engine/metrics.ts';
import type { CountedInstance } from './census.ts';

/** A gauge whose series are all set anew at every scrape: what is gone leaves no series behind. */
export function gauge<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
  collect: (set: (labels: Partial<Record<Label, string>>, value: number) => void) => void,
): void {
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      collect((labels, value) => this.set(labels as Record<Label, string>, value));
    },
  });
}

/** Takes a census at most once a scrape: all gauges of a registry are asked in one turn of the event loop. */
export function oncePerScrape(take: () => readonly CountedInstance[]): () => readonly CountedInstance[] {
  let taken: readonly CountedInstance[] | undefined;
  return () => {
    if (!taken) {
      taken = take();
      queueMicrotask(() => {
        taken = undefined;
      });
    }
    return taken;
  };
}

/** How far the replica that is furthest behind is behind, in bytes; undefined when nobody can tell. */
export function lagBytes({ nodes, leader }: CountedInstance): number | undefined {
  const at = nodes.find(({ id }) => id === leader)?.position;
  if (at === undefined) return undefined;
  const behind = nodes.flatMap(({ id, position }) => (id === leader || position === undefined ? [] : [at - position]));
  // Members write their positions at different times: a replica may seem to be ahead.
  return behind.length === 0 ? undefined : Math.max(0, ...behind);
}

/** Whether there is something to worry about when the instance has no leader. */
export function shouldLead({ state }: CountedInstance): boolean {
  return state?.accepted !== undefined && !state.deleting && !state.deleted && !state.accepted.hibernated;
}

/** Whether the instance is to have replicas. */
export const shouldFollow = (instance: CountedInstance): boolean =>
  shouldLead(instance) && (instance.state?.accepted?.node_count ?? 1) > 1;
