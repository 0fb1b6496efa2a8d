import type { RouterView } from '../herd.ts';
import { herdRanges } from '../read-herd.ts';
import { type Resource, readable } from './resource.ts';

const registration = ({ registration }: RouterView) => (registration.ok ? registration.value : undefined);

export const routers: Resource<RouterView> = {
  names: ['routers', 'router', 'r'],
  ranges: herdRanges,
  rows: (herd) => [...herd.routers.values()],
  id: ({ id }) => id,
  matches: ({ id }, name) => id === name,
  columns: () => [
    { heading: 'NAME', show: ({ id }) => id },
    { heading: 'ADDRESS', show: (router) => registration(router)?.address ?? '' },
    { heading: 'PORTS', show: (router) => registration(router)?.ports ?? '' },
    { heading: 'STATUS', show: ({ registration }) => (registration.ok ? 'Ready' : 'Unreadable') },
    { heading: 'REVISION', show: (router) => registration(router)?.applied_revision ?? '' },
    { heading: 'REFUSED-PORTS', show: (router) => registration(router)?.refused_ports.join(',') ?? '' },
    { heading: 'VERSION', wide: true, show: (router) => registration(router)?.version ?? '' },
    { heading: 'METRICS', wide: true, show: (router) => registration(router)?.metrics ?? '' },
  ],
  json: ({ id, registration }) => ({ id, registration: readable(registration) }),
};
