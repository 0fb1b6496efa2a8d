import type { Plan } from '../../schema/catalog.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import type { InstanceView } from '../view/instance-view.ts';
import type { Orders } from './assignment.ts';
import type { Draft, RandomInt } from './decision.ts';
import type { Health } from './health.ts';
import type { Unwell } from './repair.ts';

/** What the parts of a pass share once it is clear that the instance is to be brought to its spec. */
export interface Pass {
  readonly view: InstanceView;
  readonly spec: InstanceSpec;
  readonly plan: Plan;
  readonly orders: Orders;
  readonly health: Health;
  readonly unwell: readonly Unwell[];
  readonly now: Date;
  readonly draft: Draft;
  readonly random: RandomInt;
}
