import type { Registry } from '../../engine/metrics.ts';
import { nodeStates } from '../../schema/observed-node.ts';
import { conditionTypes } from '../../schema/observed-state.ts';
import type { Herd } from '../view/herd.ts';
import type { CountedInstance } from './census.ts';
import { gauge, lagBytes, shouldFollow, shouldLead } from './census-gauges.ts';
import { Spread } from './spread.ts';

/** Declares what is told of all instances together: as many series however large the herd is. */
export function fleetMetrics(registry: Registry, census: () => readonly CountedInstance[], herd: Herd): void {
  gauge(
    registry,
    'pgherd_instances_by_condition',
    'Instances by condition and status, as their states say.',
    ['condition', 'status'],
    (set) => {
      const counts = new Map(
        conditionTypes.flatMap((type) => [`${type} True`, `${type} False`].map((key) => [key, 0])),
      );
      for (const { state } of census()) {
        for (const { type, status } of state?.conditions ?? []) {
          counts.set(`${type} ${status}`, (counts.get(`${type} ${status}`) ?? 0) + 1);
        }
      }
      for (const [key, count] of counts) {
        const [condition = '', status = ''] = key.split(' ');
        set({ condition, status }, count);
      }
    },
  );
  gauge(
    registry,
    'pgherd_instances_by_leaders',
    'Instances that should have a leader, by how many members lead or say so: 0, 1, or more.',
    ['leaders'],
    (set) => {
      const counts = { '0': 0, '1': 0, more: 0 };
      for (const instance of census()) {
        if (shouldLead(instance)) counts[leadersLabel(instance.leaders)] += 1;
      }
      for (const [leaders, count] of Object.entries(counts)) set({ leaders }, count);
    },
  );
  gauge(
    registry,
    'pgherd_rollouts',
    'Instances whose nodes are restarted with a new configuration: going, or stopped at a node that does not come back.',
    ['state'],
    (set) => {
      const counts = { going: 0, stopped: 0 };
      for (const { state } of census()) {
        if (state?.conditions.some(({ reason }) => reason === 'RolloutStopped')) counts.stopped += 1;
        else if (state?.rollout) counts.going += 1;
      }
      for (const [state, count] of Object.entries(counts)) set({ state }, count);
    },
  );
  gauge(
    registry,
    'pgherd_deletions_held',
    'Instances whose documents are gone but that run on, because so many went at once.',
    [],
    (set) => set({}, census().filter(({ state }) => state?.deletionHeld).length),
  );
  gauge(
    registry,
    'pgherd_instances_without_replica',
    'Instances that should have replicas of which none is known to stream.',
    [],
    (set) => set({}, census().filter((instance) => shouldFollow(instance) && instance.streaming === 0).length),
  );
  gauge(
    registry,
    'pgherd_replication_lag_bytes',
    'WAL that the replica furthest behind in the whole herd has not got, by the positions that Patroni publishes.',
    [],
    (set) =>
      set(
        {},
        census().reduce((most, instance) => Math.max(most, lagBytes(instance) ?? 0), 0),
      ),
  );
  gauge(
    registry,
    'pgherd_credentials_timestamp_seconds',
    'When the oldest accounts of all instances were generated; no series while there are none.',
    [],
    (set) => {
      const known = census().flatMap(({ credentialsAt }) => credentialsAt ?? []);
      if (known.length > 0)
        set(
          {},
          known.reduce((one, other) => Math.min(one, other)),
        );
    },
  );
  gauge(
    registry,
    'pgherd_instances_sharing',
    'Instances with two nodes on one cell, or in one zone although their pool spans more.',
    ['what'],
    (set) => {
      const spread = new Spread(herd.cells);
      set({ what: 'cell' }, census().filter((instance) => spread.sharesCell(instance)).length);
      set({ what: 'zone' }, census().filter((instance) => spread.sharesZone(instance)).length);
    },
  );
  gauge(
    registry,
    'pgherd_herd_nodes',
    'Nodes that are to run, by role and by what their cells see; unreported: nothing yet.',
    ['role', 'state'],
    (set) => {
      const counts = new Map<string, number>();
      for (const role of ['leader', 'replica']) {
        for (const state of [...nodeStates, 'unreported']) counts.set(`${role} ${state}`, 0);
      }
      for (const { leader, nodes } of census()) {
        for (const { id, state = 'unreported' } of nodes) {
          const key = `${id === leader ? 'leader' : 'replica'} ${state}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
      }
      for (const [key, count] of counts) {
        const [role = '', state = ''] = key.split(' ');
        set({ role, state }, count);
      }
    },
  );
}

const leadersLabel = (leaders: number) => (leaders === 0 ? '0' : leaders === 1 ? '1' : 'more');
