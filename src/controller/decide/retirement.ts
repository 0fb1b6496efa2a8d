import { deletionBurstShare } from '../../schema/deletion.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import type { ObservedState } from '../../schema/observed-state.ts';
import type { StateFacts } from '../view/facts.ts';
import type { InstanceView } from '../view/instance-view.ts';
import type { Remark } from './findings.ts';

/** What becomes of an instance whose document is gone. */
export type Retirement =
  /** So many are gone that it may be a mistake: it runs on. */
  | { readonly stage: 'held'; readonly remark: Remark }
  /** Its nodes are stopped, everything is kept until then. */
  | { readonly stage: 'kept'; readonly deleted: Deleted; readonly leftMs: number }
  /** Its data are erased. */
  | { readonly stage: 'erased'; readonly deleted: Deleted };

type Deleted = NonNullable<ObservedState['deleted']>;

/** Decides how far the deletion of an instance is whose document is gone and that nothing else keeps. */
export function decideRetirement(
  view: InstanceView,
  state: StateFacts | undefined,
  spec: InstanceSpec,
  now: Date,
): Retirement {
  const order = view.deletion?.value.ok ? view.deletion.value.value : undefined;
  const isMeant = order?.confirmed === true || order?.purge === true;
  if (!state?.deleted && !isMeant && (state?.deletionHeld || isBurst(view, now))) {
    return { stage: 'held', remark: held(view) };
  }
  const { settings } = view.herd;
  const graceMs =
    spec.deletion_grace_seconds === undefined ? settings.deletionGraceMs : spec.deletion_grace_seconds * 1000;
  const begun = state?.deleted ?? {
    since: now.toISOString(),
    erase_at: new Date(now.getTime() + graceMs).toISOString(),
  };
  const deleted: Deleted = isMeant ? { ...begun, confirmed: true } : begun;
  const leftMs = Date.parse(deleted.erase_at) - now.getTime();
  // A time that cannot be read is no reason to erase anything.
  if (order?.purge || leftMs <= 0) return { stage: 'erased', deleted };
  return { stage: 'kept', deleted, leftMs };
}

/** More than this many deletions within ten minutes are held. */
export const burstLimit = (burst: number, herd: number): number =>
  Math.max(burst, Math.floor(herd * deletionBurstShare));

function isBurst(view: InstanceView, now: Date): boolean {
  const { recent, herd } = view.herd.deletions(now.getTime());
  return recent > burstLimit(view.herd.settings.deletionBurst, herd);
}

const held = ({ id }: InstanceView): Remark => ({
  reason: 'Held',
  message: `the document is gone, but so were many others within ten minutes, so the instance runs on: put the document back with \`pgherd undelete ${id}\`, or confirm with \`pgherd confirm-deletions\``,
});
