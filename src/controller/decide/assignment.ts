import type { Assignment } from '../../schema/assignment.ts';
import type { Plan } from '../../schema/catalog.ts';
import { credentialsKey } from '../../schema/credentials.ts';
import type { InstanceId, NodeId } from '../../schema/ids.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import { digest } from '../view/digest.ts';
import { orderDigest } from '../view/facts.ts';
import type { SoundNode } from './nodes.ts';
import { patroniConfiguration, restartParameters } from './patroni-configuration.ts';

/** The orders that the spec in force makes: equal for all nodes of the instance but for the name. */
export interface Orders {
  /** Of what a node must be restarted for: image, resources, and the parameters that only a restart applies. */
  readonly specHash: string;
  /** Of the whole order. */
  readonly digest: string;
  /** What `/service/<id>/config` is to say. */
  readonly configuration: string;
  readonly forNode: (node: NodeId) => Assignment;
}

// A spec is read once and looked at in every pass: what follows from it is worked out once, too.
const made = new WeakMap<InstanceSpec, { readonly plan: Plan; readonly image: string; readonly orders: Orders }>();

/** What a node of the instance is ordered to run. */
export function ordersFor(instance: InstanceId, image: string, spec: InstanceSpec, plan: Plan): Orders {
  const known = made.get(spec);
  if (known && known.plan === plan && known.image === image) return known.orders;
  const orders = makeOrders(instance, image, spec, plan);
  made.set(spec, { plan, image, orders });
  return orders;
}

function makeOrders(instance: InstanceId, image: string, spec: InstanceSpec, plan: Plan): Orders {
  const resources = { memory_mb: plan.memory_mb, cpus: plan.cpus };
  const configuration = JSON.stringify(patroniConfiguration(spec, plan));
  const restarting = restartParameters(patroniConfiguration(spec, plan));
  // Not the version of PostgreSQL: once there are data it is what it is, and to name it restarts nothing.
  const container = spec.image === undefined ? [] : [spec.image];
  const specHash = digest(JSON.stringify([image, resources, restarting, ...container]));
  const forNode = (node: NodeId): Assignment => ({
    instance,
    node,
    desired: 'running',
    image,
    ...(spec.image !== undefined && { container_image: spec.image }),
    ...(spec.version !== undefined && { postgresql_version: spec.version }),
    resources,
    dynamic_configuration: JSON.parse(configuration),
    credentials: credentialsKey(instance),
    spec_hash: specHash,
  });
  return { specHash, digest: orderDigest(forNode('' as NodeId)), configuration, forNode };
}

/** The order to stop a node and erase its data; needs no spec, which may be gone. */
export function removedAssignment(instance: InstanceId, image: string, node: SoundNode): Assignment {
  const facts = node.assignment?.value;
  return {
    instance,
    node: node.id,
    desired: 'removed',
    image,
    resources: { memory_mb: facts?.memoryMb ?? 0, cpus: facts?.cpus ?? 0 },
    dynamic_configuration: {},
    credentials: credentialsKey(instance),
    spec_hash: facts?.specHash ?? '',
  };
}
