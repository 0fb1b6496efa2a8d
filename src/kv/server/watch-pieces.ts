import type { Event, KeyValue } from '../messages.ts';

/** What goes into one message of a watch. */
export interface Piece {
  readonly events: readonly Event[];
  /** Everything up to it is in this message or was in an earlier one. */
  readonly revision: bigint;
  /** More of the same revision follows. */
  readonly fragment: boolean;
}

const overheadBytes = 64;

/**
 * Cuts what is delivered into messages of about `maxBytes`. A revision is never torn apart, unless the client asked for
 * fragments: who resumes after the last revision he has seen would lose the rest of it.
 */
export function piecesOf(
  events: readonly Event[],
  revision: bigint,
  { maxBytes, fragment }: { readonly maxBytes: number; readonly fragment: boolean },
): readonly Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  let border = 0;
  let bytes = 0;
  let bytesAtBorder = 0;
  for (let at = 0; at < events.length; at++) {
    const event = events[at] as Event;
    const isNewRevision = at > 0 && events[at - 1]?.kv.modRevision !== event.kv.modRevision;
    if (isNewRevision) {
      border = at;
      bytesAtBorder = bytes;
    }
    const size = sizeOf(event);
    if (bytes + size > maxBytes && at > start) {
      if (border > start) {
        pieces.push(piece(events.slice(start, border), false));
        bytes -= bytesAtBorder;
        bytesAtBorder = 0;
        start = border;
      }
      if (fragment && at > start && bytes + size > maxBytes) {
        pieces.push(piece(events.slice(start, at), !isNewRevision));
        start = at;
        border = at;
        bytes = 0;
        bytesAtBorder = 0;
      }
    }
    bytes += size;
  }
  pieces.push({ events: start === 0 ? events : events.slice(start), revision, fragment: false });
  return pieces;
}

const piece = (events: readonly Event[], fragment: boolean): Piece => ({
  events,
  revision: events.at(-1)?.kv.modRevision ?? 0n,
  fragment,
});

const sizeOf = ({ kv, prevKv }: Event): number =>
  overheadBytes + sizeOfKeyValue(kv) + (prevKv ? sizeOfKeyValue(prevKv) : 0);

const sizeOfKeyValue = ({ key, value }: KeyValue): number => key.length + value.length;
