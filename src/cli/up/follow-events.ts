import type { Store } from '../../store/store.ts';
import { follow } from '../follow.ts';
import type { EventView } from '../herd.ts';
import { commandLogger } from '../logging.ts';
import { eventRanges, readHerd } from '../read-herd.ts';
import { type Column, Table } from '../table.ts';
import type { World } from '../world.ts';

const columns: readonly Column<EventView>[] = [
  { heading: 'TIME', show: ({ event }) => event.time.slice(11, 19) },
  { heading: 'TYPE', show: ({ event }) => event.type },
  { heading: 'OBJECT', show: ({ event }) => event.object },
  { heading: 'REASON', show: ({ event }) => event.reason },
  { heading: 'MESSAGE', show: ({ event }) => event.message },
];

/** Prints every event that happens from now on, until the signal aborts. */
export async function followEvents(store: Store, world: World, signal: AbortSignal): Promise<void> {
  const table = new Table(columns);
  const logger = commandLogger(world, { logLevel: 'info' });
  let seen: ReadonlySet<string> | undefined;
  for await (const keys of follow(store, eventRanges, { signal, clock: world.clock, logger })) {
    const { events } = readHerd(keys);
    const before = seen;
    if (before) for (const line of table.lines(events.filter(({ id }) => !before.has(id)))) world.stdout.write(line);
    seen = new Set(events.map(({ id }) => id));
  }
}
