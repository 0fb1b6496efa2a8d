import { printAge } from '../duration.ts';
import type { EventView } from '../herd.ts';
import { eventRanges } from '../read-herd.ts';
import type { Resource } from './resource.ts';

/** Whether an event is about `name`: `f1`, or `instance/f1` where the name alone is not enough. */
export const isAbout = ({ event }: EventView, name: string): boolean =>
  event.object === name || event.object.slice(event.object.indexOf('/') + 1) === name;

export const events: Resource<EventView> = {
  names: ['events', 'event', 'ev'],
  ranges: eventRanges,
  rows: (herd) => herd.events,
  id: ({ id }) => id,
  matches: isAbout,
  columns: (now) => [
    { heading: 'AGE', ticks: true, show: ({ event }) => printAge(event.time, now()) },
    { heading: 'TYPE', show: ({ event }) => event.type },
    { heading: 'OBJECT', show: ({ event }) => event.object },
    { heading: 'REASON', show: ({ event }) => event.reason },
    { heading: 'MESSAGE', show: ({ event }) => event.message },
    { heading: 'SOURCE', wide: true, show: ({ event }) => event.source },
    { heading: 'TIME', wide: true, show: ({ event }) => event.time },
  ],
  json: ({ event }) => event,
};
