import { z } from 'zod';
import { accountShape } from './credentials.ts';
import type { InstanceId, NodeId } from './ids.ts';
import { instanceSpecShape } from './instance-spec.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/** `/service/<id>/state`: the observed state of one instance, written by the controller. */
export const stateKey = (id: InstanceId): string => `/service/${id}/state`;

export const conditionTypes = [
  'Accepted',
  'Placed',
  'Running',
  'LeaderElected',
  'Routed',
  'Ready',
  'Degraded',
  'Paused',
  'Hibernated',
  'Deleting',
] as const;
export type ConditionType = (typeof conditionTypes)[number];

const conditionShape = z.object({
  type: z.enum(conditionTypes),
  status: z.enum(['True', 'False', 'Unknown']),
  /** One word in CamelCase, for programs. */
  reason: z.string(),
  /** A sentence for people: what is the case and, when something is wrong, what would help. */
  message: z.string(),
  /** When `status` last changed, ISO 8601. */
  since: z.string(),
});
export type Condition = z.infer<typeof conditionShape>;

const stateShape = z.object({
  instance_id: z.string(),
  service_id: z.string(),
  plan_id: z.string(),
  organization_guid: z.string().optional(),
  space_guid: z.string().optional(),
  admin_credentials: accountShape.optional(),
  superuser_credentials: accountShape.optional(),
  app_credentials: accountShape.optional(),
  allocated_port: z.number().int().optional(),
  nodes: z.array(
    z.object({ node_id: z.string(), backend_id: z.string(), plan_id: z.string(), service_id: z.string() }),
  ),
  /** create_revision of the document, decimal: tells an instance from a later one of the same name. */
  uid: z.string(),
  /** When the controller first saw the instance, ISO 8601; stays while it is deleted and through a restoration. */
  created_at: z.string().optional(),
  /** mod_revision of the document that this state speaks of, decimal. */
  observed_generation: z.string(),
  /** The spec in force: the last one that was accepted. */
  accepted: instanceSpecShape.optional(),
  /** The spec that all nodes last ran with, while that is not the accepted one: what a rollback goes back to. */
  rolled_out: instanceSpecShape.optional(),
  /** While nodes restart one after the other: since when, and which one was the last to be ordered to, when. */
  rollout: z.object({ since: z.string(), node: z.string(), at: z.string() }).optional(),
  conditions: z.array(conditionShape),
  last_operation: z.object({ state: z.enum(['in progress', 'succeeded', 'failed']), description: z.string() }),
  /** Replicas that cannot follow, and since when; absent when all do. */
  unwell: z.array(z.object({ node: z.string().transform((id) => id as NodeId), since: z.string() })).optional(),
  /** When replicas were built anew: the last ones. */
  repairs: z.array(z.string()).optional(),
  /** Major version of PostgreSQL that its data are of, once a node has told; never changes. */
  postgresql_version: z.string().optional(),
  leader: z.string().optional(),
  /** host:port that clients connect to. */
  endpoint: z.string().optional(),
  read_only_endpoint: z.string().optional(),
  /** Since the first pass that saw the document gone and meant it: until then everything can be restored. */
  deleted: z
    .object({
      since: z.string(),
      erase_at: z.string(),
      /** An operator confirmed it: it does not count towards those that make the controller wary. */
      confirmed: z.boolean().optional(),
    })
    .optional(),
  /** The document is gone, but so were many at once: nothing happens until an operator confirms. */
  deletion_held: z.boolean().optional(),
  /** True from the pass that ordered the data to be erased until the last key is deleted: there is no way back. */
  deleting: z.boolean().optional(),
  /** While nodes are stopped by order: the one that led last. It has all the data, so it is started first. */
  led_last: z.string().optional(),
});
export type ObservedState = z.output<typeof stateShape>;
export const parseObservedState = (text: string): Parsed<ObservedState> =>
  parseJson(text, stateShape as unknown as z.ZodType<ObservedState>);

/** The condition of that type, undefined when it does not apply. */
export const condition = (
  state: { readonly conditions: readonly Condition[] },
  type: ConditionType,
): Condition | undefined => state.conditions.find((each) => each.type === type);
