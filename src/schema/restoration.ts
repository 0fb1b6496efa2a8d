import { z } from 'zod';
import { desiredStatePrefix } from './desired-state.ts';
import type { InstanceId } from './ids.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/**
 * `/pgherd/restoration`: this store was put back from a snapshot of the one named here. Agents and routers that knew
 * that one follow this one instead, and leave alone whatever runs and is not in it, until it is finished.
 */
export const restorationKey = '/pgherd/restoration';

const restorationShape = z.object({
  /** Of this restoration: each is believed once. */
  id: z.string().min(1),
  at: z.string(),
  /** The snapshot that it is of. */
  snapshot: z.string().min(1),
  /** The store that the snapshot was taken of. */
  replaces: z.string().min(1),
  finished: z.boolean(),
});
export type Restoration = z.infer<typeof restorationShape>;
export const parseRestoration = (text: string): Parsed<Restoration> => parseJson(text, restorationShape);

/**
 * `/serviceinstances/<id>/restored`: the nodes that the instance had in the snapshot. While it is there nothing is
 * placed or removed: nodes are adopted as their cells report them.
 */
export const restoredKey = (id: InstanceId): string => `${desiredStatePrefix}${id}/restored`;

/** The instance of such a key, undefined for any other key. */
export function parseRestoredKey(key: string): InstanceId | undefined {
  return /^\/serviceinstances\/([^/]+)\/restored$/.exec(key)?.[1] as InstanceId | undefined;
}

const restoredShape = z.object({ nodes: z.array(z.object({ node: z.string(), cell: z.string() })) });
export type Restored = z.infer<typeof restoredShape>;
export const parseRestored = (text: string): Parsed<Restored> => parseJson(text, restoredShape);
