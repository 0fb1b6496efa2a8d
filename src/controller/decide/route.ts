import type { RouterId } from '../../schema/ids.ts';
import type { RouterFacts } from '../view/facts.ts';
import type { InstanceView } from '../view/instance-view.ts';
import type { Routing } from './routing.ts';

/** Whether clients get to the present leader through the public port, as the routers tell. */
export interface Route {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  /** The host of the endpoint: the first router by name that serves the port, else the first of all. */
  readonly address: string | undefined;
  /** What a router must have applied for the route to be there; undefined when it is, or when nothing is to be waited for. */
  readonly needs: bigint | undefined;
}

/** A route is there once a router that is alive has applied everything up to the leader's and the port's last change. */
export function readRoute(view: InstanceView, routing: Routing): Route {
  const { port, allocatedAt, problem } = routing;
  const routers = liveRouters(view);
  const serving = routers.filter(([, router]) => port !== undefined && serves(router, port));
  const address = (serving[0] ?? routers[0])?.[1].address;
  const no = (reason: string, message: string, needs?: bigint): Route => ({
    status: 'False',
    reason,
    message,
    address,
    needs,
  });
  if (problem) return no(problem.reason, problem.message);
  if (port === undefined) return no('NoPort', 'the instance has no public port yet');
  if (routers.length === 0) {
    return no('NoRouter', `no router is registered to serve port ${port}; start \`pgherd router\``, 0n);
  }
  if (serving.length === 0) {
    const [name, router] = routers[0] as [RouterId, RouterFacts];
    if (!router.refusedPorts.includes(port)) {
      return no(
        'OutsideBlock',
        `port ${port} is outside the block of every router; start a router with a wider one`,
        0n,
      );
    }
    return no('PortRefused', `another program holds port ${port} on router ${name}; stop that program`, 0n);
  }
  if (!view.leader || allocatedAt === undefined) return no('NoLeader', 'the route is opened when a leader is known');
  let needs = view.leader.modRevision;
  if (allocatedAt > needs) needs = allocatedAt;
  const applied = serving.find(([, router]) => router.appliedRevision >= needs);
  if (!applied) {
    return no('RoutePending', `no router has confirmed the route from port ${port} to ${view.leader.value} yet`, needs);
  }
  return {
    status: 'True',
    reason: 'Routed',
    message: `router ${applied[0]} serves port ${port}`,
    address,
    needs: undefined,
  };
}

function liveRouters(view: InstanceView): [RouterId, RouterFacts][] {
  const routers: [RouterId, RouterFacts][] = [];
  for (const [id, router] of view.herd.routers) if (router.ok) routers.push([id, router.value]);
  return routers.sort(([one], [other]) => (one < other ? -1 : 1));
}

const serves = (router: RouterFacts, port: number): boolean =>
  !router.refusedPorts.includes(port) && (!router.ports || (port >= router.ports.first && port <= router.ports.last));
