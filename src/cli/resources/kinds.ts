import { usageFailure } from '../failure.ts';
import { didYouMean } from '../similar.ts';
import { cells } from './cells.ts';
import { deleted } from './deleted.ts';
import { events } from './events.ts';
import { instances } from './instances.ts';
import { nodes } from './nodes.ts';
import type { Resource } from './resource.ts';
import { routers } from './routers.ts';
import { routes } from './routes.ts';

/** Some resource: its rows are of a type that only the resource itself knows. */
// biome-ignore lint/suspicious/noExplicitAny: a resource is used with its own rows only
export type AnyResource = Resource<any>;

/** Everything that `pgherd get` shows. */
export const kinds: readonly AnyResource[] = [instances, cells, nodes, routes, routers, events, deleted];

/** The kinds of `instances` or `cells,routes`. */
export const kindsNamed = (list: string): readonly AnyResource[] => list.split(',').map(kindNamed);

function kindNamed(name: string): AnyResource {
  const found = kinds.find(({ names }) => names.includes(name.toLowerCase()));
  if (found) return found;
  const plurals = kinds.map(({ names }) => names[0]);
  const hint = didYouMean(name, plurals);
  throw usageFailure(`unknown kind ${JSON.stringify(name)}.${hint || ` Use one of ${plurals.join(', ')}`}`);
}
