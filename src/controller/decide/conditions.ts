import type { Condition } from '../../schema/observed-state.ts';
import type { InstanceView } from '../view/instance-view.ts';
import { adoptedConditions } from './adopted-conditions.ts';
import { describeCellOf } from './degraded-cells.ts';
import type { Findings, Remark } from './findings.ts';
import { hasStopped } from './halt.ts';
import { isLive, runs, serves } from './health.ts';
import { names, type SoundNode } from './nodes.ts';
import { isPending } from './pending-restart.ts';

/** A condition without the time since when it holds. */
export type Claim = Omit<Condition, 'since'>;
export type Claims = readonly Claim[];

/** All conditions that apply, in the order in which they come true; `Ready` is their sum. */
export function describeConditions(view: InstanceView, findings: Findings): Claims {
  const { status, reason, message } = findings.route;
  const { course } = findings.admission;
  const ours = () => [placed(findings), running(view, findings), leaderElected(view, findings)];
  const parts: Claim[] = [
    accepted(view, findings),
    ...(course === 'observe' ? adoptedConditions(view) : ours()),
    { type: 'Routed', status, reason, message },
  ];
  return [...parts, ready(findings, parts), ...special(view, findings)];
}

const claim = (type: Claim['type'], status: Claim['status'], reason: string, message: string): Claim => ({
  type,
  status,
  reason,
  message,
});

function accepted(view: InstanceView, { admission }: Findings): Claim {
  if (admission.refusal !== undefined) {
    const rest = admission.spec ? '; the last accepted document stays in force' : '';
    return claim('Accepted', 'False', 'Refused', `${admission.refusal}${rest}`);
  }
  if (!admission.spec) return claim('Accepted', 'Unknown', 'NoDocument', 'there is no document to accept');
  if (!view.document) return claim('Accepted', 'True', 'LastAccepted', 'the last accepted document is in force');
  return claim('Accepted', 'True', 'Accepted', 'the document is in force');
}

function placed({ admission, nodes, waiting, problems }: Findings): Claim {
  const present = nodes.filter((node) => node.desired === 'running');
  const wanted = admission.spec?.node_count ?? 0;
  if (!admission.spec) return claim('Placed', 'False', 'NotAccepted', 'no document was accepted yet');
  if (admission.course === 'delete') return claim('Placed', 'False', 'Deleting', 'the instance is being deleted');
  if (admission.course === 'retire') return claim('Placed', 'False', 'Deleted', 'the instance is deleted');
  if (problems[0]) return claim('Placed', 'Unknown', problems[0].reason, problems[0].message);
  if (waiting) return claim('Placed', 'False', waiting.reason, waiting.message);
  const count = `${present.length} of ${wanted} nodes placed`;
  if (present.length !== wanted) {
    const why = admission.spec.paused ? ': the instance is paused; set paused to false to go on' : '';
    return claim('Placed', 'False', 'Placing', `${count}${why}`);
  }
  const cells = present.map(({ cell }) => cell).sort();
  return claim('Placed', 'True', 'Placed', `${count} on ${cells.join(', ')}`);
}

function running(view: InstanceView, findings: Findings): Claim {
  const { nodes, health, specHash } = findings;
  const present = nodes.filter((node) => node.desired === 'running');
  if (present.length === 0) return claim('Running', 'False', 'NoNodes', 'the instance has no nodes');
  if (isHibernating(findings)) return hibernating(findings);
  const idle = present.filter((node) => !runs(node));
  const count = `${present.length - idle.length} of ${present.length} nodes run`;
  if (idle.length > 0) {
    const reason = idle.every(({ isFenced }) => isFenced) ? 'Fenced' : 'NodesNotRunning';
    return claim('Running', 'False', reason, `${count}: ${idle.map(describeIdle).join('; ')}`);
  }
  const outdated = present.filter((node) => specHash !== undefined && node.observed?.value.specHash !== specHash);
  if (outdated.length > 0) {
    const waiting = findings.progress?.waiting;
    const why = waiting ? `: ${waiting.message}` : '';
    const message = `${count}; ${names(outdated)} still to restart with the present configuration, one after the other${why}`;
    return claim('Running', 'False', waiting?.reason ?? 'Restarting', message);
  }
  const restarting = findings.progress?.waiting;
  if (restarting && present.some(isPending)) {
    return claim('Running', 'False', restarting.reason, `${count}; ${restarting.message}`);
  }
  if (present.length > 1 && !health.streaming) {
    const { leader } = health;
    const why = leader && !isLive(view, leader.cell) ? `the agent of ${leader.cell} is gone` : 'no leader tells';
    return claim('Running', 'Unknown', 'StreamingUnknown', `${count}; which replicas stream is not known: ${why}`);
  }
  const mute = present.filter((node) => !serves(node, health));
  if (mute.length > 0) return claim('Running', 'False', 'NotStreaming', `${count}; ${names(mute)} not streaming yet`);
  const replicas = present.length > 1 ? ` and ${present.length - 1} stream` : '';
  return claim('Running', 'True', 'Running', `${count}${replicas}`);
}

const isHibernating = ({ admission }: Findings): boolean =>
  admission.course === 'converge' && admission.spec?.hibernated === true;

function hibernating({ nodes }: Findings): Claim {
  const left = nodes.filter((node) => node.desired === 'running' && !(node.isHalted && hasStopped(node)));
  if (left.length > 0) return claim('Running', 'False', 'Hibernating', `${names(left)} still to stop`);
  return claim('Running', 'False', 'Hibernated', 'all nodes are stopped; wake the instance to go on');
}

function describeIdle({ id, cell, observed, member, isFenced }: SoundNode): string {
  if (isFenced) return `${id} on ${cell} is fenced`;
  if (!observed) return `${id} waits for the agent of ${cell}`;
  const { state, lastError } = observed.value;
  const at = state === 'running' ? (member?.state ?? 'without a member key in Patroni') : state;
  return `${id} on ${cell} is ${at}${lastError === undefined ? '' : ` (${lastError})`}`;
}

function leaderElected(view: InstanceView, { health }: Findings): Claim {
  const { leader, pretender } = health;
  if (!view.leader) return claim('LeaderElected', 'False', 'NoLeader', 'no node leads; Patroni elects one');
  if (!leader) {
    const name = JSON.stringify(view.leader.value.slice(0, 100));
    return claim(
      'LeaderElected',
      'False',
      'UnknownLeader',
      `the leader key names ${name}, which is no node of this instance`,
    );
  }
  if (pretender) {
    const message = `${leader.id} holds the leader key but ${pretender} claims to lead too; neither gets new connections`;
    return claim('LeaderElected', 'False', 'TwoLeaders', message);
  }
  if (!runs(leader)) return claim('LeaderElected', 'False', 'LeaderNotRunning', `${leader.id} leads but does not run`);
  return claim('LeaderElected', 'True', 'LeaderElected', `${leader.id} leads`);
}

function ready({ route, port }: Findings, parts: Claims): Claim {
  const lacking = parts.find(({ status }) => status !== 'True');
  if (lacking) return claim('Ready', 'False', lacking.reason, lacking.message);
  return claim('Ready', 'True', 'Ready', `the leader is reached at ${route.address}:${port}`);
}

function special(view: InstanceView, findings: Findings): Claim[] {
  const { admission, nodes } = findings;
  const claims: Claim[] = [];
  const [first, ...more] = degradations(view, findings);
  if (first) {
    const message = [first, ...more].map((problem) => problem.message).join('; ');
    claims.push(claim('Degraded', 'True', first.reason, message));
  }
  if (admission.spec?.paused) {
    claims.push(claim('Paused', 'True', 'Paused', 'nothing is changed until paused is set to false'));
  }
  if (isHibernating(findings)) {
    const { reason, message } = hibernating(findings);
    const kept = 'data, port and credentials are kept; `pgherd wake` or `hibernated: false` starts the nodes again';
    if (reason === 'Hibernated') claims.push(claim('Hibernated', 'True', reason, kept));
    else claims.push(claim('Hibernated', 'False', reason, message));
  }
  if (admission.course === 'retire' && admission.deleted) claims.push(retiring(view, nodes, admission));
  if (admission.kept) claims.push(claim('Deleting', 'False', admission.kept.reason, admission.kept.message));
  if (admission.course === 'delete') {
    const left = nodes.filter((node) => node.observed);
    const message = left.map(({ id, cell }) => `${id} on ${cell}${isLive(view, cell) ? '' : ', whose agent is gone'}`);
    const again = view.document ? '; it is created anew when that is done' : '';
    const waiting = `waiting for the cells to stop and erase ${message.join('; ') || 'all nodes'}${again}`;
    claims.push(claim('Deleting', 'True', 'Deleting', waiting));
  }
  return claims;
}

function retiring({ id }: InstanceView, nodes: readonly SoundNode[], { deleted, spec }: Findings['admission']): Claim {
  const until = deleted?.erase_at;
  if (spec?.adopted) {
    const port = `its port is kept until ${until}: \`pgherd undelete ${id}\` keeps it, \`pgherd purge ${id}\` gives it up now`;
    return claim('Deleting', 'True', 'Kept', `its members run on; ${port}`);
  }
  const running = nodes.filter((node) => !hasStopped(node));
  const kept = `data, port and credentials are kept until ${until}: \`pgherd undelete ${id}\` restores everything, \`pgherd purge ${id}\` erases it now`;
  if (running.length === 0) return claim('Deleting', 'True', 'Kept', `all nodes are stopped; ${kept}`);
  return claim('Deleting', 'True', 'Stopping', `${names(running)} still to stop; ${kept}`);
}

function degradations(view: InstanceView, findings: Findings): Remark[] {
  const { problems, remarks = [], nodes, health, admission, route } = findings;
  const found = [...problems, ...remarks];
  if (findings.progress?.stopped) found.push(findings.progress.stopped);
  if (route.reason === 'PortConflict') found.push({ reason: route.reason, message: route.message });
  if (admission.course !== 'delete') {
    for (const node of nodes) {
      const remark = describeCellOf(view, node, health);
      if (remark) found.push(remark);
    }
  }
  const pending = nodes.filter((node) => runs(node) && isPending(node));
  // Else it is told what their restart waits for.
  if (pending.length > 0 && !findings.progress?.waiting) {
    found.push({ reason: 'PendingRestart', message: `${names(pending)} still run with old values of some parameters` });
  }
  return found;
}
