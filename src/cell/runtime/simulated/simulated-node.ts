import type { Assignment } from '../../../schema/assignment.ts';
import type { InstanceId, NodeId } from '../../../schema/ids.ts';
import type { PatroniStatus } from '../../../schema/patroni-status.ts';
import type { NodePorts } from '../runtime.ts';

/** A hollow node: what a node would say of itself, and nothing that could be connected to. */
export interface SimulatedNode {
  readonly instance: InstanceId;
  readonly node: NodeId;
  readonly ports: NodePorts;
  specHash: string;
  state: 'stopped' | 'running' | 'ended';
  /** How it ended when nobody asked it to. */
  unexpected: string | undefined;
  /** What the instance starts with, and its timings. */
  configuration: Assignment['dynamic_configuration'];
  /** False until it led or followed: a node without data cannot lead an instance that has some. */
  hasData: boolean;
  role: 'master' | 'replica' | 'uninitialized';
  /** What its Patroni would answer; undefined unless it runs. */
  status: PatroniStatus | undefined;
  onStatus: () => void;
}

/** Patroni's timings, in seconds. */
export function timings(configuration: Assignment['dynamic_configuration']): { ttl: number; loopWait: number } {
  const { ttl, loop_wait } = configuration as { ttl?: number; loop_wait?: number };
  return { ttl: ttl ?? 30, loopWait: loop_wait ?? 10 };
}

/** The member key of a hollow node, as Patroni 3.0 writes it; it says what it is. */
export function memberDocument(
  { ports, role }: Pick<SimulatedNode, 'ports' | 'role'>,
  state: 'running' | 'stopped',
  timeline: number,
  walPosition: number,
): string {
  return JSON.stringify({
    conn_url: `postgres://${ports.postgresql}/postgres`,
    api_url: `http://${ports.patroni}/patroni`,
    state,
    role,
    version: '3.0.2',
    tags: { simulated: true },
    ...(state === 'running' && { xlog_location: walPosition, timeline }),
  });
}
