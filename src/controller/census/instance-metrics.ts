import type { Registry } from '../../engine/metrics.ts';
import type { Herd } from '../view/herd.ts';
import type { CountedInstance } from './census.ts';
import { gauge, lagBytes, shouldFollow, shouldLead } from './census-gauges.ts';
import { Spread } from './spread.ts';

/**
 * Declares what is told of every instance by itself: six series an instance and some more when something is wrong.
 * The label is `scope`, as Patroni's own metrics have it; `instance` belongs to Prometheus.
 */
export function instanceMetrics(registry: Registry, census: () => readonly CountedInstance[], herd: Herd): void {
  gauge(registry, 'pgherd_instance_ready', '1 while the instance is Ready, 0 while it is not.', ['scope'], (set) => {
    for (const { id: scope, state } of census()) {
      const isReady = state?.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
      set({ scope }, isReady ? 1 : 0);
    }
  });
  gauge(
    registry,
    'pgherd_instance_leaders',
    'Members that lead or say so; anything but 1 is an alarm.',
    ['scope'],
    (set) => {
      for (const instance of census()) if (shouldLead(instance)) set({ scope: instance.id }, instance.leaders);
    },
  );
  gauge(
    registry,
    'pgherd_instance_streaming_replicas',
    'Replicas that stream, as the cell of the leader says; only of instances that should have some.',
    ['scope'],
    (set) => {
      for (const instance of census()) if (shouldFollow(instance)) set({ scope: instance.id }, instance.streaming);
    },
  );
  gauge(
    registry,
    'pgherd_instance_replication_lag_bytes',
    'WAL that the replica furthest behind has not got, by the positions that Patroni publishes.',
    ['scope'],
    (set) => {
      for (const instance of census()) {
        const lag = lagBytes(instance);
        if (lag !== undefined) set({ scope: instance.id }, lag);
      }
    },
  );
  gauge(registry, 'pgherd_instance_nodes', 'Nodes that are to run, on whatever cell.', ['scope'], (set) => {
    for (const { id: scope, nodes } of census()) set({ scope }, nodes.length);
  });
  gauge(
    registry,
    'pgherd_instance_credentials_timestamp_seconds',
    'When the accounts of the instance were generated.',
    ['scope'],
    (set) => {
      for (const { id: scope, credentialsAt } of census())
        if (credentialsAt !== undefined) set({ scope }, credentialsAt);
    },
  );
  gauge(
    registry,
    'pgherd_instance_sharing',
    '1 for an instance with two nodes on one cell, or in one zone although its pool spans more; else no series.',
    ['scope', 'what'],
    (set) => {
      const spread = new Spread(herd.cells);
      for (const instance of census()) {
        if (spread.sharesCell(instance)) set({ scope: instance.id, what: 'cell' }, 1);
        if (spread.sharesZone(instance)) set({ scope: instance.id, what: 'zone' }, 1);
      }
    },
  );
}
