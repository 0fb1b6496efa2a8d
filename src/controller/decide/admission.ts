import type { Plan } from '../../schema/catalog.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import { sizedPlan } from '../../schema/sized-plan.ts';
import type { StateFacts } from '../view/facts.ts';
import type { InstanceView, NodeView } from '../view/instance-view.ts';
import type { Remark } from './findings.ts';
import { versionOfData, versionProblem } from './major-version.ts';
import { decideRetirement } from './retirement.ts';

/** What the document and the state say together about what should become of the instance. */
export interface Admission {
  /** The spec in force: the document's, or the last accepted one. */
  readonly spec: InstanceSpec | undefined;
  readonly plan: Plan | undefined;
  /**
   * converge: make it so. hold: change nothing but the state. retire: stop the nodes and keep everything. delete: stop
   * the nodes and erase them, then remove every key. observe: others look after the nodes; only the port is ours.
   */
  readonly course: 'converge' | 'hold' | 'retire' | 'delete' | 'observe';
  /** When the document was deleted, and until when everything is kept; undefined when it is not or not yet. */
  readonly deleted: NonNullable<StateFacts['deleted']> | undefined;
  /** When to look again, because time alone changes what is due. */
  readonly leftMs: number | undefined;
  /** Why the document is not in force, undefined when it is. */
  readonly refusal: string | undefined;
  /** Why the instance stays although its document is gone. */
  readonly kept: Remark | undefined;
  /** What keeps this from being decided. */
  readonly problems: readonly Remark[];
}

/** Decides which spec rules and on which course the instance is. */
export function admit(view: InstanceView, now: Date): Admission {
  const { document } = view;
  const state = view.state?.value.ok ? view.state.value.value : undefined;
  const parsed = document?.value;
  const data = versionOfData(view, state);
  const conflict =
    parsed?.ok && !parsed.value.adopted ? versionProblem(data, state?.accepted, parsed.value) : undefined;
  const spec = parsed?.ok && conflict === undefined ? parsed.value : lastAccepted(state, data);
  const offered = spec && view.herd.settings.catalog.plans.find(({ plan_id }) => plan_id === spec.plan_id);
  const plan = offered && sizedPlan(offered, spec);
  const refusal = parsed && !parsed.ok ? parsed.problem : conflict;
  const decided = { spec, plan, refusal, kept: undefined, problems: [], deleted: undefined, leftMs: undefined };
  if (state?.deleting || isBeingErased(view)) return { ...decided, course: 'delete', deleted: state?.deleted };
  if (!document) return withoutDocument(view, state, decided, now);
  if (spec && !plan) return { ...decided, course: 'hold', problems: [planGone(spec)] };
  if (spec?.adopted && view.nodes.some((node) => node.backend || node.assignments.length > 0)) {
    return { ...decided, course: 'hold', problems: [notAdopted] };
  }
  if (spec?.adopted && !spec.paused) return { ...decided, course: 'observe' };
  return { ...decided, course: spec && !spec.paused ? 'converge' : 'hold' };
}

// It may have been accepted before the first node told what its data are.
function lastAccepted(state: StateFacts | undefined, data: string | undefined): InstanceSpec | undefined {
  const accepted = state?.accepted;
  if (!accepted || data === undefined || versionProblem(data, accepted, accepted) === undefined) return accepted;
  return { ...accepted, version: data };
}

// The mark may be lost with a state that somebody deleted; that every node is to be erased says the same.
function isBeingErased(view: InstanceView): boolean {
  const assigned = view.nodes.filter((node) => node.backend || node.assignments.length > 0);
  return assigned.length > 0 && assigned.every(isToBeErased);
}

const isToBeErased = ({ assignments }: NodeView): boolean =>
  assignments.length > 0 && assignments.every(({ entry: { value } }) => value.ok && value.value.desired === 'removed');

function withoutDocument(
  view: InstanceView,
  state: StateFacts | undefined,
  decided: Omit<Admission, 'course'>,
  now: Date,
): Admission {
  const { spec, plan } = decided;
  if (!spec) {
    const hasNodes = view.nodes.some((node) => node.backend || node.assignments.length > 0);
    if (!hasNodes && state) return { ...decided, course: 'delete' };
    return { ...decided, course: 'hold', problems: hasNodes ? [specLost] : [] };
  }
  if (spec.deletion_protection) {
    const kept = problem(
      'Protected',
      'the document was deleted but deletion-protection was set, so the instance is kept; put the document back, without deletion-protection if it is to go',
    );
    return { ...decided, kept, course: spec.paused || !plan ? 'hold' : running(spec) };
  }
  if (spec.paused) {
    const kept = problem(
      'Paused',
      'the document was deleted while the instance is paused; put it back without paused, then delete it again',
    );
    return { ...decided, kept, course: 'hold' };
  }
  // The document is one key. Whoever deletes it keeps the keys below; when those are gone too it was not meant.
  if (view.nodes.length > 0 && !view.credentials) {
    return { ...decided, course: 'hold', problems: [wiped] };
  }
  const retirement = decideRetirement(view, state, spec, now);
  if (retirement.stage === 'held')
    return { ...decided, kept: retirement.remark, course: plan ? running(spec) : 'hold' };
  if (retirement.stage === 'erased') return { ...decided, course: 'delete', deleted: retirement.deleted };
  return { ...decided, course: 'retire', deleted: retirement.deleted, leftMs: retirement.leftMs };
}

const running = (spec: InstanceSpec): 'converge' | 'observe' => (spec.adopted ? 'observe' : 'converge');

const problem = (reason: string, message: string): Remark => ({ reason, message });

const planGone = (spec: InstanceSpec): Remark =>
  problem(
    'PlanGone',
    `the catalog has no plan ${spec.plan_id} any more, so nothing is changed; add the plan to the catalog`,
  );

const notAdopted = problem(
  'NotAdopted',
  'adopted is set, but pgherd made the nodes of this instance, so nothing is changed; remove adopted from the document',
);

const specLost = problem(
  'SpecLost',
  'the document is gone and no state tells what it was, so the nodes are left alone; put the document back, and delete it again if the instance is to go',
);

const wiped = problem(
  'KeysLost',
  'the document is gone together with the keys below it, so the nodes are left alone; restore /serviceinstances from a backup, or put the document back',
);
