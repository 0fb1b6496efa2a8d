import { type Credentials, credentialsKey, generateCredentials } from '../../schema/credentials.ts';
import { deletionKey } from '../../schema/deletion.ts';
import { desiredStateKey } from '../../schema/desired-state.ts';
import { condition, stateKey } from '../../schema/observed-state.ts';
import { good } from '../../schema/parsed.ts';
import { configKey } from '../../schema/patroni.ts';
import { digest } from '../view/digest.ts';
import type { InstanceView } from '../view/instance-view.ts';
import { admit } from './admission.ts';
import { adoptNodes } from './adoption.ts';
import { ordersFor } from './assignment.ts';
import { type Decision, Draft, type RandomInt } from './decision.ts';
import { decideDeletion } from './deletion.ts';
import type { Findings, Membership } from './findings.ts';
import { forgetReports } from './forget.ts';
import { haltNodes } from './halt.ts';
import { readHealth } from './health.ts';
import { decideMembership } from './lifecycle.ts';
import { readNodes } from './nodes.ts';
import type { Pass } from './pass.ts';
import { mergeConfiguration } from './patroni-configuration.ts';
import { findProblems } from './problems.ts';
import { findUnwell } from './repair.ts';
import { readRoute } from './route.ts';
import { decideRouting } from './routing.ts';
import { forgetErased } from './scale-down.ts';
import { spareLeader } from './spare-leader.ts';
import { describeState } from './status.ts';

/**
 * One pass over one instance: everything that is due, as one transaction, and the state that follows from it. Pure: the
 * same view, time and random numbers give the same decision. The order of the parts is told here and nowhere else.
 */
export function decide(view: InstanceView, now: Date, random: RandomInt): Decision {
  const draft = new Draft();
  forgetReports(view, draft);
  if (isNotOurs(view)) return draft.finish();
  // Whatever is decided came from this document: a later one is to be looked at first.
  draft.guard(desiredStateKey(view.id), view.document?.modRevision ?? 0n);
  const read = readNodes(view);
  const admission = admit(view, now);
  const { spec, plan, course } = admission;
  const orders = spec && plan && ordersFor(view.id, view.herd.settings.image, spec, plan);
  const config = orders && view.config ? mergeConfiguration(view.config.value, orders.configuration) : good(undefined);
  const problems = [...read.problems, ...admission.problems, ...findProblems(view, admission, config)];
  const acts = course === 'converge' && problems.length === 0;
  const told = readHealth(view, read.nodes);
  const mayOrder = orders !== undefined && (acts || course === 'retire');
  const { nodes, health } = mayOrder
    ? spareLeader(read.nodes, told, orders, draft)
    : { nodes: read.nodes, health: told };
  const unwell = course === 'converge' ? findUnwell(view, nodes, health, orders?.specHash, now) : [];
  const pass: Pass | undefined =
    acts && orders ? { view, spec, plan, orders, health, unwell, now, draft, random } : undefined;

  let membership: Membership = { nodes: nodes, waiting: undefined };
  if (view.restored && orders && (pass || course === 'retire')) {
    const isHalted = course === 'retire' || spec?.hibernated === true;
    membership = adoptNodes(view, nodes, orders, health, isHalted, draft);
  } else if (pass) {
    membership = spec?.hibernated
      ? { nodes: haltNodes(view, forgetErased(pass, nodes), health, draft), waiting: undefined }
      : decideMembership(pass, nodes);
    // What was said about a deletion is not to hold for the next one.
    if (view.document && view.deletion) draft.delete(deletionKey(view.id), view.deletion.modRevision);
  } else if (course === 'retire') {
    membership = { nodes: haltNodes(view, nodes, health, draft), waiting: undefined };
    draft.lookAgainIn(Math.min(admission.leftMs ?? longestWaitMs, longestWaitMs));
  } else if (course === 'delete' && problems.length === 0) {
    const left = decideDeletion(view, nodes, admission, now, draft);
    if (!left) return draft.finish();
    membership = { nodes: left, waiting: undefined };
  }
  const credentials = pass ? decideCredentials(pass) : presentCredentials(view);
  if (pass && config.ok && config.value !== undefined) setConfiguration(pass, config.value);
  const observes = course === 'observe' && problems.length === 0;
  if (observes && view.document && view.deletion) draft.delete(deletionKey(view.id), view.deletion.modRevision);
  const routing = decideRouting(view, pass !== undefined || observes, now, draft);
  const route = readRoute(view, routing);
  draft.waitsForRoute = route.needs;
  writeState(view, now, draft, {
    ...membership,
    admission,
    problems,
    health,
    unwell: unwell.filter(({ node }) =>
      membership.nodes.some(({ id, desired }) => id === node && desired === 'running'),
    ),
    repairs: draft.repairs ?? (view.state?.value.ok ? view.state.value.value.repairs : []),
    specHash: orders?.specHash,
    port: routing.port,
    route,
    credentials,
  });
  return draft.finish();
}

// Timers of the machine do not reach further than some weeks.
const longestWaitMs = 3_600_000;

// Other Patroni clusters may share `/service`, and allocations outlive a lost store: without a document, a readable
// state or a node, nothing here is known to be ours.
const isNotOurs = (view: InstanceView): boolean =>
  !view.document && !view.state?.value.ok && !view.nodes.some((node) => node.backend || node.assignments.length > 0);

type PublicCredentials = Findings['credentials'];

function decideCredentials({ view, draft, random, now }: Pass): PublicCredentials {
  if (view.credentials) return presentCredentials(view);
  const credentials = generateCredentials(random, now);
  draft.create(credentialsKey(view.id), JSON.stringify(credentials));
  return publicAccounts(credentials);
}

const presentCredentials = ({ credentials }: InstanceView): PublicCredentials =>
  credentials?.value.ok ? publicAccounts(credentials.value.value) : {};

// Replication is between the nodes only: its account is no part of the state.
function publicAccounts({ replication_credentials: _, created_at: __, ...accounts }: Credentials): PublicCredentials {
  return accounts;
}

// Until the first node has bootstrapped there is no key, and Patroni takes the configuration from its assignment.
function setConfiguration({ view, draft }: Pass, text: string): void {
  draft.replace(configKey(view.id), view.config?.modRevision ?? 0n, text);
  draft.event('Normal', 'ConfigurationChanged', "Patroni's configuration is set to what the document asks for");
}

function writeState(view: InstanceView, now: Date, draft: Draft, findings: Findings): void {
  const { state, events } = describeState(view, findings, now);
  for (const { type, reason, message } of events) draft.event(type, reason, message);
  const text = JSON.stringify(state);
  const before = view.state?.value.ok ? view.state.value.value : undefined;
  if (digest(text) === before?.digest) return;
  const stays = before && condition(before, 'Ready')?.status === condition(state, 'Ready')?.status;
  draft.isProgress = !draft.hasWrites && stays === true && before.observedGeneration === state.observed_generation;
  draft.replace(stateKey(view.id), view.state?.modRevision ?? 0n, text);
}
