import { z } from 'zod';
import { desiredStatePrefix } from './desired-state.ts';
import type { InstanceId } from './ids.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/**
 * `/serviceinstances/<id>/deletion`: what an operator says about an instance whose document is gone. `confirmed`: it was
 * meant, although so many went at once; `purge`: erase the data now. Removed when the document is put back.
 */
export const deletionKey = (id: InstanceId): string => `${desiredStatePrefix}${id}/deletion`;

/** The instance of a deletion key, undefined for any other key. */
export function parseDeletionKey(key: string): InstanceId | undefined {
  return /^\/serviceinstances\/([^/]+)\/deletion$/.exec(key)?.[1] as InstanceId | undefined;
}

const orderShape = z.object({ confirmed: z.boolean().default(false), purge: z.boolean().default(false) });
/** What an operator said about a deletion. */
export type DeletionOrder = z.output<typeof orderShape>;
export const parseDeletionOrder = (text: string): Parsed<DeletionOrder> =>
  parseJson(text, orderShape as unknown as z.ZodType<DeletionOrder>);

/** How long a deleted instance is kept, unless it or the controller says otherwise. */
export const defaultDeletionGraceMs = 24 * 3_600_000;
/** How many instances may always be deleted within `deletionBurstMs` before the rest is held. */
export const defaultDeletionBurst = 5;
/** Or this share of the herd, if that is more. */
export const deletionBurstShare = 0.1;
export const deletionBurstMs = 10 * 60_000;
