import { type ConditionType, condition, conditionTypes } from '../schema/observed-state.ts';
import type { InstanceKeys } from './instance.ts';
import { isCurrent, waitsFor } from './status.ts';
import type { Look } from './wait-for.ts';

/** Whether an instance is `Deleted`, or has the condition `Ready` or `Ready=False`; undefined for unknown words. */
export function lookFor(wanted: string): ((instance: InstanceKeys) => Look) | undefined {
  if (wanted === 'Deleted') return isDeleted;
  const [type = '', status = 'True'] = wanted.split('=', 2);
  const known = conditionTypes.find((each) => each === type);
  if (!known || !['True', 'False', 'Unknown'].includes(status)) return undefined;
  return (instance) => hasCondition(instance, known, status);
}

const onlyWhenTheyApply: readonly ConditionType[] = ['Degraded', 'Paused', 'Hibernated', 'Deleting'];

/** Whether nothing of an instance is left. */
export function isDeleted(instance: InstanceKeys): Look {
  if (!instance.document && !instance.state) return { done: true };
  if (instance.document) return { done: false, waitsFor: 'its document is still there' };
  const state = instance.state?.ok ? instance.state.value : undefined;
  const waits = (state && condition(state, 'Deleting')?.message) ?? waitsFor(instance, instance.controller);
  return { done: false, waitsFor: waits ?? 'its nodes are being taken down' };
}

function hasCondition(instance: InstanceKeys, type: ConditionType, status: string): Look {
  const state = instance.state?.ok ? instance.state.value : undefined;
  const found = state && condition(state, type);
  const absent = onlyWhenTheyApply.includes(type) ? 'False' : undefined;
  // Conditions that speak of an earlier document prove nothing about this one. A deleted one has none to speak of.
  const current = isCurrent(instance) || (type === 'Deleting' && state !== undefined);
  if (current && (found?.status ?? absent) === status) return { done: true };
  const waits = waitsFor(instance, instance.controller) ?? found?.message;
  return { done: false, waitsFor: waits ?? `${type} is ${found?.status ?? absent ?? 'not reported'}` };
}
