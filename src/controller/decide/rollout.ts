import { assignmentKey } from '../../schema/assignment.ts';
import { windowAt } from '../../schema/maintenance-window.ts';
import type { ObservedFacts } from '../view/facts.ts';
import type { Remark } from './findings.ts';
import { guardHealth, type Health, runs, serves } from './health.ts';
import { names, type SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { finishPendingRestarts, isPending } from './pending-restart.ts';
import { patienceMs, type Rollout, type RolloutProgress } from './rollout-progress.ts';
import { switchOver } from './switchover.ts';

const queuedMs = 10_000;
const longestWaitMs = 3_600_000;

/**
 * Brings assignments that are not what the spec in force wants up to date. What needs no restart goes to all at once.
 * What does goes to one running node at a time, while all others serve with what they were last ordered, the leader last
 * and after a switchover: a node that does not come back stops the rollout, and the next edit goes to it first. To begin,
 * a rollout needs one of the herd's places for rollouts; every restart needs a maintenance window. A node that does not
 * run is not spared, unless another one does not run because of the same orders; one that bootstraps the instance is.
 * When all are there again, what PostgreSQL has yet to be restarted for in place is.
 */
export function decideRollout(pass: Pass, nodes: readonly SoundNode[]): RolloutProgress {
  const { view, now, orders, health, draft } = pass;
  const present = nodes.filter(isPresent);
  let rollout = rolloutBefore(pass);
  let waiting: Remark | undefined;
  let oneRestarts = false;
  for (const node of leaderLast(present, health)) {
    if (!node.assignment || node.assignment.value.digest === orders.digest) continue;
    if (node.observed && node.assignment.value.specHash !== orders.specHash) {
      if (view.initialize?.value === '' && node.observed.value.state !== 'failed') continue;
      const others = present.filter((other) => other !== node);
      if (runs(node)) {
        if (oneRestarts || !health.leader || !others.every((other) => isSettled(other, health))) continue;
        waiting = waitingFor(pass, rollout);
        if (waiting) break;
        if (node === health.leader && others.length > 0) {
          switchOver(pass, node, others);
          continue;
        }
        oneRestarts = true;
        guardHealth(view, health.leader, draft);
      } else if (others.some((other) => isUpdated(pass, other) && !isSettled(other, health))) continue;
      if (!rollout) draft.startsRollout = true;
      rollout = { since: rollout?.since ?? now.toISOString(), node: node.id, at: now.toISOString() };
      draft.event('Normal', 'NodeRestarting', `node ${node.id} restarts with its new configuration`);
    }
    const order = JSON.stringify(orders.forNode(node.id));
    draft.replace(assignmentKey(node.cell, node.id), node.assignment.modRevision, order);
  }
  if (rollout !== rolloutBefore(pass)) return { rollout, waiting, stopped: undefined };
  if (!waiting && present.every((node) => isUpdated(pass, node) && isSettled(node, health))) {
    return finishPendingRestarts(pass, present, rollout, (now) => waitingFor(pass, now));
  }
  return rollout ? { ...observeRollout(pass, nodes), waiting } : { rollout, waiting, stopped: undefined };
}

/** How far a rollout is, in a pass that has something else to do before it goes on. */
export function observeRollout(pass: Pass, nodes: readonly SoundNode[]): RolloutProgress {
  const rollout = rolloutBefore(pass);
  const present = nodes.filter(isPresent);
  const isOver = present.every((node) => isUpdated(pass, node) && isSettled(node, pass.health) && !isPending(node));
  if (!rollout || isOver) return { rollout: undefined, waiting: undefined, stopped: undefined };
  return { rollout, waiting: undefined, stopped: describeStop(pass, present, rollout) };
}

const rolloutBefore = ({ view }: Pass): Rollout | undefined =>
  view.state?.value.ok ? view.state.value.value.rollout : undefined;

const isPresent = (node: SoundNode): boolean => node.desired === 'running' && !node.isHalted;

const leaderLast = (nodes: readonly SoundNode[], { leader }: Health): SoundNode[] =>
  nodes.toSorted((one, other) => Number(one === leader) - Number(other === leader));

const isUpdated = ({ orders }: Pass, node: SoundNode): boolean => node.assignment?.value.specHash === orders.specHash;

// It serves, and with what it was last ordered.
const isSettled = (node: SoundNode, health: Health): boolean =>
  serves(node, health) && node.observed?.value.specHash === node.assignment?.value.specHash;

function waitingFor({ view, spec, now, draft, random }: Pass, rollout: Rollout | undefined): Remark | undefined {
  const { isOpen, opensAt } = windowAt(spec.maintenance_windows, now);
  if (!isOpen) {
    draft.lookAgainIn(Math.min(longestWaitMs, opensAt ? opensAt.getTime() - now.getTime() : longestWaitMs));
    const when = opensAt ? `the maintenance window that opens at ${opensAt.toISOString()}` : 'a maintenance window';
    return { reason: 'OutsideWindow', message: `the next restart waits for ${when}` };
  }
  const { maxConcurrentRollouts } = view.herd.settings;
  if (!rollout && view.herd.rollouts >= maxConcurrentRollouts) {
    draft.lookAgainIn(queuedMs + random(queuedMs));
    const message = `restarts wait until fewer than ${maxConcurrentRollouts} instances of the herd restart at a time`;
    return { reason: 'RolloutQueued', message };
  }
  return undefined;
}

const hasFailed = ({ orders }: Pass, { state, specHash }: ObservedFacts): boolean =>
  state === 'failed' && specHash === orders.specHash;

// Its agent does not even stop it, because it could not be started again.
const isRefused = ({ orders }: Pass, { state, specHash, lastError }: ObservedFacts): boolean =>
  state === 'running' && specHash !== orders.specHash && lastError !== undefined;

function describeStop(pass: Pass, present: readonly SoundNode[], { node, at }: Rollout): Remark | undefined {
  const { view, now, health, draft } = pass;
  const missing = present.filter((each) => isUpdated(pass, each) && !isSettled(each, health));
  const failed = missing.find(
    ({ observed }) => observed && (isRefused(pass, observed.value) || hasFailed(pass, observed.value)),
  );
  const leftMs = Date.parse(at) + patienceMs - now.getTime();
  const late = missing.find(({ id }) => id === node);
  if (late && !failed && leftMs > 0) draft.lookAgainIn(leftMs);
  const stuck = failed ?? (leftMs <= 0 ? late : undefined);
  if (!stuck) return undefined;
  const rest = present.filter((each) => !isUpdated(pass, each));
  const others = rest.length > 0 ? `; ${names(rest)} run on as before` : '';
  const error = stuck.observed?.value.lastError;
  const why = error === undefined ? 'it does not come back' : error;
  const message = `rollout stopped at ${stuck.id} on ${stuck.cell}: ${why}${others}; edit the document, or \`pgherd rollback ${view.id}\``;
  return { reason: 'RolloutStopped', message };
}
