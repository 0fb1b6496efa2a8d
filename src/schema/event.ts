import { z } from 'zod';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/** `/pgherd/events/<ISO time>-<source>-<counter>`: what happened, for people; on leases, so that they expire. */
export const eventsPrefix = '/pgherd/events/';
export const eventTtlSeconds = 3600;

const eventShape = z.object({
  time: z.string(),
  type: z.enum(['Normal', 'Warning']),
  /** One word in CamelCase. */
  reason: z.string(),
  /** `instance/f1`, `cell/cell-1`, `router/r1`. */
  object: z.string(),
  message: z.string(),
  /** `controller`, `cell/cell-1`, … */
  source: z.string(),
});
export type HerdEvent = z.infer<typeof eventShape>;
export const parseEvent = (text: string): Parsed<HerdEvent> => parseJson(text, eventShape);
export const eventKey = (event: HerdEvent, sequence: number): string =>
  `${eventsPrefix}${event.time}-${event.source.replaceAll('/', '.')}-${String(sequence).padStart(6, '0')}`;
