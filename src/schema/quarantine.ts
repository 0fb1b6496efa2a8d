import { z } from 'zod';
import { parseJson } from './json.ts';

/**
 * What `/routing/ports/<port>` says once the instance that had the port is gone: nobody gets it for a while, because
 * clients of the old instance may still know it.
 */
const quarantineShape = z.object({
  quarantined: z.string(),
  released: z.iso.datetime(),
  until: z.iso.datetime(),
  /** An operator confirmed the deletion. */
  confirmed: z.boolean().optional(),
});
export type Quarantine = z.infer<typeof quarantineShape>;

export const defaultPortQuarantineMs = 7 * 24 * 3_600_000;

/** Undefined when the port is held by an instance: an id is never JSON. */
export function parseQuarantine(text: string): Quarantine | undefined {
  if (!text.startsWith('{')) return undefined;
  const parsed = parseJson(text, quarantineShape);
  return parsed.ok ? parsed.value : undefined;
}
