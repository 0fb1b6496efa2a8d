import { z } from 'zod';
import type { CellId, NodeId } from './ids.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/**
 * `/cells/health/<cell>`: what the controller thinks of every cell that it has ever seen, until it is forgotten.
 * Registered: its agent is there and says that all is well. Suspect: it is not, or says that it is not. Lost: Suspect for
 * long, and Patroni's members on it are gone too. `since` is when the controller first saw it so, and outlives it.
 */
export const cellHealthPrefix = '/cells/health/';
export const cellHealthKey = (cell: CellId): string => `${cellHealthPrefix}${cell}`;

const healthShape = z.object({
  health: z.enum(['Registered', 'Suspect', 'Lost']),
  since: z.string(),
  /** The zone it was last registered in: a cell that is gone does not tell. */
  zone: z.string(),
  /** Why it is not Registered, as a sentence. */
  reason: z.string().optional(),
});
export type CellHealth = z.infer<typeof healthShape>;
export const parseCellHealth = (text: string): Parsed<CellHealth> => parseJson(text, healthShape);

/** `/cells/brake`: exists while so many cells are gone that the controller rather believes that it is blind. */
export const brakeKey = '/cells/brake';

const brakeShape = z.object({
  since: z.string(),
  reason: z.string(),
  /** Since when enough cells are there again, though not all: those that are missing get a moment to come back, too. */
  easing_since: z.string().optional(),
});
export type Brake = z.infer<typeof brakeShape>;
export const parseBrake = (text: string): Parsed<Brake> => parseJson(text, brakeShape);

/** `/cells/moves/<cell>/<node>`: written by operators; the node is to move from that cell to a better one. */
export const movesPrefix = '/cells/moves/';
export const moveKey = (cell: CellId, node: NodeId): string => `${movesPrefix}${cell}/${node}`;

export function parseMoveKey(key: string): { readonly cell: CellId; readonly node: NodeId } | undefined {
  const match = /^\/cells\/moves\/([^/]+)\/([^/]+)$/.exec(key);
  return match ? { cell: match[1] as CellId, node: match[2] as NodeId } : undefined;
}
