import type { ObservedState } from '../../schema/observed-state.ts';
import { printAge } from '../duration.ts';
import type { Herd, InstanceView } from '../herd.ts';
import { herdRanges } from '../read-herd.ts';
import { instanceStatus, isCurrent, type NodeStatus, named, nodeStatus, stateOf } from '../status.ts';
import { type Resource, readable } from './resource.ts';

/** An instance with what its row shows. */
export interface InstanceRow {
  readonly instance: InstanceView;
  readonly state: ObservedState | undefined;
  readonly plan: string;
  readonly nodes: readonly NodeStatus[];
}

export function instanceRow(instance: InstanceView, herd: Herd): InstanceRow {
  const state = stateOf(instance);
  const planId = state?.accepted?.plan_id ?? state?.plan_id;
  return {
    instance,
    state,
    plan: herd.catalog.plans.find((plan) => plan.plan_id === planId)?.name ?? planId ?? '',
    nodes: instance.nodes.map((node) => nodeStatus(node, herd)),
  };
}

const wantedNodes = ({ state, nodes }: InstanceRow): number => state?.accepted?.node_count ?? nodes.length;

const simulated = ({ nodes }: InstanceRow): string | undefined =>
  nodes.some(({ runtime }) => runtime === 'simulated') ? 'simulated' : undefined;

export const instances: Resource<InstanceRow> = {
  names: ['instances', 'instance', 'inst', 'i'],
  ranges: herdRanges,
  // Other programs may keep Patroni scopes in the same store: they are not ours to show.
  rows: (herd) =>
    [...herd.instances.values()]
      .filter(({ document, state }) => document || state)
      .map((instance) => instanceRow(instance, herd)),
  id: ({ instance }) => instance.id,
  matches: ({ instance }, name) => instance.id === name,
  columns: (now) => [
    { heading: 'NAME', show: ({ instance }) => instance.id },
    { heading: 'PLAN', show: ({ plan }) => plan },
    { heading: 'NODES', show: (row) => named(String(wantedNodes(row)), simulated(row)) },
    {
      heading: 'READY',
      show: (row) =>
        row.state?.accepted?.adopted ? '-' : `${row.nodes.filter(({ ready }) => ready).length}/${wantedNodes(row)}`,
    },
    { heading: 'STATUS', show: ({ instance }) => instanceStatus(instance) },
    { heading: 'LEADER', show: ({ instance }) => instance.leader ?? '' },
    { heading: 'ENDPOINT', show: ({ state }) => state?.endpoint ?? '' },
    { heading: 'AGE', ticks: true, show: ({ state }) => printAge(state?.created_at, now()) },
    { heading: 'READ-ONLY', wide: true, show: ({ state }) => state?.read_only_endpoint ?? '' },
    { heading: 'CELLS', wide: true, show: ({ nodes }) => nodes.map(({ node }) => node.cell).join(',') },
    {
      heading: 'GENERATION',
      wide: true,
      show: ({ instance, state }) =>
        isCurrent(instance)
          ? (state?.observed_generation ?? '')
          : `${instance.document?.modRevision ?? 'none'} (observed ${state?.observed_generation ?? 'none'})`,
    },
    { heading: 'OPERATION', wide: true, show: ({ state }) => state?.last_operation.description ?? '' },
  ],
  json: ({ instance, plan, nodes }) => ({
    id: instance.id,
    plan,
    status: instanceStatus(instance),
    leader: instance.leader,
    document: instance.document?.value,
    generation: instance.document && String(instance.document.modRevision),
    state: withoutPasswords(readable(instance.state)),
    nodes: nodes.map(({ node, role, state, ready }) => ({ id: node.id, cell: node.cell, role, state, ready })),
  }),
};

function withoutPasswords(state: ReturnType<typeof readable<ObservedState>>): unknown {
  if (!state || 'unreadable' in state) return state;
  const { admin_credentials: _a, superuser_credentials: _s, app_credentials: _p, ...rest } = state;
  return rest;
}
