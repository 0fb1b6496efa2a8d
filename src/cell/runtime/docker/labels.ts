import type { InstanceId, NodeId } from '../../../schema/ids.ts';
import type { PortPair } from '../process/ports.ts';

/** What a container's labels say of the node in it: enough to take it over without any memory of it. */
export interface NodeLabels {
  readonly cell: string;
  readonly instance: InstanceId;
  readonly node: NodeId;
  readonly specHash: string;
  readonly ports: PortPair;
  readonly volume: string;
}

export const cellLabel = 'pgherd.cell';
export const nodeLabel = 'pgherd.node';

export const printLabels = ({ cell, instance, node, specHash, ports, volume }: NodeLabels): Record<string, string> => ({
  [cellLabel]: cell,
  'pgherd.instance': instance,
  [nodeLabel]: node,
  'pgherd.spec-hash': specHash,
  'pgherd.ports': `${ports.postgresql},${ports.patroni}`,
  'pgherd.volume': volume,
});

/** Undefined when these are not the labels of a node. */
export function parseLabels(labels: Readonly<Record<string, string>>): NodeLabels | undefined {
  const ports = /^(\d{1,5}),(\d{1,5})$/.exec(labels['pgherd.ports'] ?? '');
  const { [cellLabel]: cell, [nodeLabel]: node } = labels;
  const { 'pgherd.instance': instance, 'pgherd.spec-hash': specHash, 'pgherd.volume': volume } = labels;
  if (!ports || !cell || !node || !instance || specHash === undefined || !volume) return undefined;
  return {
    cell,
    instance: instance as InstanceId,
    node: node as NodeId,
    specHash,
    ports: { postgresql: Number(ports[1]), patroni: Number(ports[2]) },
    volume,
  };
}
