import type { Parsed } from '../../schema/parsed.ts';
import type { InstanceView } from '../view/instance-view.ts';
import type { Admission } from './admission.ts';
import type { Remark } from './findings.ts';

/** What of the instance's own keys cannot be read, or is missing where it cannot be. Nodes are read by `nodes.ts`. */
export function findProblems(view: InstanceView, admission: Admission, config: Parsed<unknown>): Remark[] {
  const problems: Remark[] = [];
  const say = (reason: string, message: string) => problems.push({ reason, message });
  const { state, credentials, allocation, initialize } = view;
  const hasNodes = view.nodes.some((node) => node.backend || node.assignments.length > 0);
  if (state && !state.value.ok) {
    say(
      'StateUnreadable',
      `the state could not be read (${state.value.problem}) and was written anew from the document`,
    );
  }
  if (credentials && !credentials.value.ok) {
    say('CredentialsUnreadable', `the credentials cannot be read (${credentials.value.problem}); restore their key`);
  }
  if (allocation && !allocation.value.ok) {
    say('AllocationUnreadable', `the allocated port cannot be read (${allocation.value.problem}); restore its key`);
  }
  if (!config.ok) {
    say('ConfigUnreadable', `Patroni's configuration key is ${config.problem}; restore it with patronictl edit-config`);
  }
  if (admission.course !== 'converge') return problems;
  if (!credentials && hasNodes) {
    say('CredentialsLost', 'the nodes exist but the credentials key is gone; restore it from a backup');
  } else if (!hasNodes && initialize && !view.restored) {
    const found = initialize.value.slice(0, 40) || 'unfinished';
    say(
      'ScopeInUse',
      `Patroni's keys of another cluster of this name exist (initialize: ${found}) but no node does; remove them with patronictl remove if nothing needs them`,
    );
  }
  return problems;
}
