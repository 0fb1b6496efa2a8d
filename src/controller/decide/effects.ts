import type { Catalog } from '../../schema/catalog.ts';
import type { CellRegistration } from '../../schema/cell.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import { sizedPlan } from '../../schema/sized-plan.ts';
import { patroniConfiguration, restartParameters } from './patroni-configuration.ts';
import { cannotRun } from './placement.ts';

/** One thing that applying a document does, in the order in which it happens. */
export interface Effect {
  readonly kind:
    | 'nothing'
    | 'create'
    | 'reload'
    | 'restart'
    | 'switchover'
    | 'add-nodes'
    | 'remove-nodes'
    | 'replace'
    | 'stop'
    | 'start';
  readonly text: string;
}

/** The nodes as they are, so that each step can be named. */
export interface Present {
  readonly nodes: readonly {
    readonly node_id: string;
    readonly backend_id: string;
    /** What its cell says of itself, if that is known. */
    readonly cell?: CellRegistration | undefined;
  }[];
  readonly leader?: string | undefined;
}

/** What will happen to an instance when its spec becomes `after`; `before` is undefined when there is none yet. */
export function planEffects(
  before: InstanceSpec | undefined,
  after: InstanceSpec,
  catalog: Catalog,
  present: Present = { nodes: [] },
): readonly Effect[] {
  const plan = catalog.plans.find(({ plan_id }) => plan_id === after.plan_id);
  if (after.adopted && !before) return [{ kind: 'create', text: 'allocate a public port; its members are left alone' }];
  if (after.adopted) return [nothing('others run its members: nothing changes on them')];
  if (!before || !plan) return [create(after, plan?.name ?? after.plan_id)];
  if (after.paused) return [nothing('the instance is paused: nothing changes until paused is false')];
  if (after.hibernated) {
    if (before.hibernated) return [nothing('the instance is hibernated: nothing changes until it is woken')];
    return [{ kind: 'stop', text: 'stop all nodes, the leader last; data, port and credentials are kept' }];
  }
  const woken: Effect[] = before.hibernated
    ? [{ kind: 'start', text: 'start all nodes on their data, first the one that led last' }]
    : [];
  const replaced = present.nodes.filter(({ cell }) => cell && cannotRun(cell, after) && !cannotRun(cell, before));
  const staying = { ...present, nodes: present.nodes.filter((node) => !replaced.includes(node)) };
  const isNew = replaced.length > 0 && staying.nodes.length === 0;
  const effects = [
    ...woken,
    ...membership(before, after),
    ...replaced.map((node) => replacement(node, after, present.leader)),
    ...(isNew ? [] : configuration(before, after, catalog, staying)),
  ];
  return effects.length > 0 ? effects : [nothing('nothing changes on the nodes')];
}

const nothing = (text: string): Effect => ({ kind: 'nothing', text });

function create(spec: InstanceSpec, plan: string): Effect {
  const held = spec.paused ? ', once paused is false' : '';
  return { kind: 'create', text: `create ${count(spec.node_count)} of plan ${plan} and allocate a public port${held}` };
}

function membership(before: InstanceSpec, after: InstanceSpec): Effect[] {
  const more = after.node_count - before.node_count;
  const effects: Effect[] = [];
  if (more > 0) effects.push({ kind: 'add-nodes', text: `add ${count(more)}` });
  if (more < 0) {
    effects.push({
      kind: 'remove-nodes',
      text: `remove ${count(-more)}, one after the other, never the leader, while the others stream`,
    });
  }
  if (JSON.stringify(before.pool) !== JSON.stringify(after.pool)) {
    effects.push(
      { kind: 'add-nodes', text: 'add a replacement for every node whose cell is outside the new pool, one at a time' },
      { kind: 'switchover', text: 'switch over if the leader is outside the new pool' },
      { kind: 'remove-nodes', text: 'remove every replaced node once its replacement streams' },
    );
  }
  return effects;
}

function replacement({ node_id, backend_id }: Present['nodes'][number], after: InstanceSpec, leader?: string): Effect {
  const handOver = node_id === leader ? ', switch over' : '';
  const why = `${backend_id} cannot run ${nameSoftware(after)}`;
  return {
    kind: 'replace',
    text: `replace ${node_id}, because ${why}: add a node elsewhere${handOver}, and remove it`,
  };
}

const nameSoftware = ({ image, version }: InstanceSpec): string =>
  image !== undefined ? `image ${image}` : version !== undefined ? `PostgreSQL ${version}` : "the cells' own image";

function configuration(before: InstanceSpec, after: InstanceSpec, catalog: Catalog, nodes: Present): Effect[] {
  const [oldPlan, newPlan] = [before, after].map((spec) => {
    const plan = catalog.plans.find(({ plan_id }) => plan_id === spec.plan_id);
    return plan && sizedPlan(plan, spec);
  });
  if (!newPlan) return [];
  const wanted = patroniConfiguration(after, newPlan);
  const present = oldPlan ? patroniConfiguration(before, oldPlan) : {};
  const resized = oldPlan?.memory_mb !== newPlan.memory_mb || oldPlan.cpus !== newPlan.cpus;
  const changed = changedNames(restartParameters(present), restartParameters(wanted));
  const reasons = [
    ...(resized ? [`the size of plan ${newPlan.name}`] : []),
    ...(before.image !== after.image ? [after.image === undefined ? nameSoftware(after) : `image ${after.image}`] : []),
    ...changed,
  ];
  const isSame = JSON.stringify(present) === JSON.stringify(wanted);
  if (reasons.length > 0) {
    return [
      ...(isSame ? [] : [{ kind: 'reload' as const, text: 'hand the new configuration to Patroni' }]),
      ...restarts(after, nodes, `for ${reasons.join(', ')}`),
      ...onceMore(loweredNames(restartParameters(present), restartParameters(wanted))),
    ];
  }
  if (isSame) return [];
  return [{ kind: 'reload', text: 'hand the new configuration to Patroni, which reloads PostgreSQL' }];
}

function restarts(after: InstanceSpec, { nodes, leader }: Present, why: string): Effect[] {
  const window = after.maintenance_windows ? ', within its maintenance windows' : '';
  const many = after.node_count > 1;
  const leading = nodes.find(({ node_id }) => node_id === leader);
  if (!leading) {
    return [
      { kind: 'restart', text: `restart the nodes one after the other, the leader last, ${why}${window}` },
      ...(many ? [{ kind: 'switchover' as const, text: 'switch over before the leader restarts' }] : []),
    ];
  }
  const replicas = nodes.filter((node) => node !== leading);
  const waits = 'and wait until it streams again';
  const next = replicas.length > 0 ? `, ${waits}` : '';
  return [
    ...replicas.map(({ node_id, backend_id }): Effect => {
      return { kind: 'restart', text: `restart replica ${node_id} on ${backend_id} ${why}${window}, ${waits}` };
    }),
    ...(replicas.length > 0
      ? [{ kind: 'switchover' as const, text: `switch over from ${leading.node_id} to one of the replicas` }]
      : []),
    {
      kind: 'restart',
      text: `restart the old leader ${leading.node_id} on ${leading.backend_id} ${why}${window}${next}`,
    },
  ];
}

function onceMore(lowered: readonly string[]): Effect[] {
  if (lowered.length === 0) return [];
  const why = `a lower ${lowered.join(', ')} holds on replicas once the leader runs with it`;
  return [{ kind: 'restart', text: `restart PostgreSQL once more in place, the leader first, one at a time: ${why}` }];
}

// What replicas may not have less of than their leader: PostgreSQL keeps it in the control file.
const neverLessThanTheLeader = [
  'max_connections',
  'max_locks_per_transaction',
  'max_prepared_transactions',
  'max_wal_senders',
  'max_worker_processes',
];

const loweredNames = (before: Record<string, unknown>, after: Record<string, unknown>): string[] =>
  neverLessThanTheLeader.filter((name) => Number(after[name]) < Number(before[name]));

function changedNames(before: Record<string, unknown>, after: Record<string, unknown>): string[] {
  const all = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...all].filter((name) => String(before[name]) !== String(after[name])).sort();
}

const count = (nodes: number): string => (nodes === 1 ? '1 node' : `${nodes} nodes`);
