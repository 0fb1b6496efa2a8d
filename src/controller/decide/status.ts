import type { NodeId } from '../../schema/ids.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import type { ObservedState } from '../../schema/observed-state.ts';
import { readOnlyPort } from '../../schema/routing.ts';
import type { StateFacts } from '../view/facts.ts';
import type { InstanceView } from '../view/instance-view.ts';
import { type Claims, describeConditions } from './conditions.ts';
import type { DueEvent } from './decision.ts';
import type { Findings } from './findings.ts';
import { ledLast } from './halt.ts';
import { describeOperation } from './last-operation.ts';
import { versionOfData } from './major-version.ts';

/** The observed state of the instance, and the events that its changes are worth. */
export function describeState(
  view: InstanceView,
  findings: Findings,
  now: Date,
): { readonly state: ObservedState; readonly events: readonly DueEvent[] } {
  const { admission, nodes, port, route } = findings;
  const { spec } = admission;
  const before = view.state?.value.ok ? view.state.value.value : undefined;
  const generation = String(view.document?.modRevision ?? before?.observedGeneration ?? '0');
  const last = ledLast(view, nodes);
  const data = versionOfData(view, before);
  const claims = describeConditions(view, findings);
  const conditions = claims.map((claim) => {
    const old = before?.conditions.find(({ type }) => type === claim.type);
    return { ...claim, since: old?.status === claim.status ? old.since : now.toISOString() };
  });
  const operation = describeOperation(findings, claims, before, generation);
  const rolledOut = lastRolledOut(operation.state === 'succeeded' && !admission.deleted, before);
  const isLookedAt = findings.progress !== undefined || admission.course !== 'converge';
  const rollout = isLookedAt ? findings.progress?.rollout : before?.rollout;
  const ids = { plan_id: spec?.plan_id ?? '', service_id: spec?.service_id ?? view.herd.settings.catalog.service_id };
  const { portRange } = view.herd.settings;
  const state: ObservedState = {
    instance_id: view.id,
    ...ids,
    ...(spec?.organization_guid !== undefined && { organization_guid: spec.organization_guid }),
    ...(spec?.space_guid !== undefined && { space_guid: spec.space_guid }),
    ...findings.credentials,
    ...(port !== undefined && { allocated_port: port }),
    nodes: nodes.map(({ id, cell }) => ({ node_id: id, backend_id: cell, ...ids })),
    uid: String(view.document?.createRevision ?? before?.uid ?? '0'),
    created_at: createdAt(view, before) ?? now.toISOString(),
    observed_generation: generation,
    ...(spec && { accepted: spec }),
    ...(rolledOut && { rolled_out: rolledOut }),
    ...(rollout && { rollout }),
    conditions,
    last_operation: operation,
    ...(findings.unwell.length > 0 && { unwell: [...findings.unwell] }),
    ...(findings.repairs.length > 0 && { repairs: [...findings.repairs] }),
    ...(data !== undefined && { postgresql_version: data }),
    ...(view.leader && { leader: view.leader.value.slice(0, 100) }),
    ...(port !== undefined && route.address && { endpoint: `${route.address}:${port}` }),
    ...(port !== undefined &&
      route.address && { read_only_endpoint: `${route.address}:${readOnlyPort(port, portRange)}` }),
    ...(admission.deleted && { deleted: admission.deleted }),
    ...(admission.kept?.reason === 'Held' && { deletion_held: true }),
    ...(admission.course === 'delete' && { deleting: true }),
    ...(last !== undefined && nodes.some((node) => node.isHalted) && { led_last: last }),
  };
  const events = transitions(claims, before?.conditions ?? [], before?.leader, view.leader?.value as NodeId);
  if (before?.deleted && view.document && admission.course !== 'delete') {
    events.push({
      type: 'Normal',
      reason: 'Undeleted',
      message: 'the document is back: nodes, data and port as before',
    });
  }
  return { state, events };
}

// A state that was lost is written anew, and one of an earlier version does not say: what else is as old as the instance?
function createdAt({ credentials }: InstanceView, before: StateFacts | undefined): string | undefined {
  if (before?.createdAt !== undefined) return before.createdAt;
  const generated = credentials?.value.ok ? credentials.value.value.created_at : undefined;
  return [
    ...(generated === undefined ? [] : [generated]),
    ...(before?.conditions ?? []).map(({ since }) => since),
  ].sort()[0];
}

/** What a rollback goes back to: nothing once the present spec has been true. */
function lastRolledOut(isTrue: boolean, before: StateFacts | undefined): InstanceSpec | undefined {
  if (isTrue) return undefined;
  return before?.lastOperation.state === 'succeeded' ? before.accepted : before?.rolledOut;
}

function transitions(
  claims: Claims,
  before: readonly { readonly type: string; readonly status: string; readonly message: string }[],
  oldLeader: string | undefined,
  leader: string | undefined,
): DueEvent[] {
  const events: DueEvent[] = [];
  for (const { type, status, reason, message } of claims) {
    const old = before.find((each) => each.type === type);
    if (type === 'Ready' && status === 'True' && old?.status !== 'True') {
      events.push({ type: 'Normal', reason: 'Ready', message });
    } else if (type === 'Ready' && status !== 'True' && old?.status === 'True') {
      events.push({ type: 'Warning', reason: 'NotReady', message });
    } else if (type === 'Accepted' && status === 'False' && old?.message !== message) {
      events.push({ type: 'Warning', reason, message });
    } else if (type === 'Degraded' && old?.message !== message) {
      events.push({ type: 'Warning', reason, message });
    } else if (type === 'Deleting' && old?.status !== status) {
      events.push({ type: 'Normal', reason: 'Deleting', message });
    }
  }
  if (leader !== undefined && leader !== oldLeader) {
    events.push({ type: 'Normal', reason: 'LeaderChanged', message: `${leader.slice(0, 100)} leads` });
  }
  return events;
}
