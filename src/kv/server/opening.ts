import { getPackedSettings, type Settings } from 'node:http2';
import { mendAuthority } from './authority.ts';

/** What an HTTP/2 connection begins with. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

const frameHeaderBytes = 9;
const frames = { headers: 1, priority: 2, settings: 4, windowUpdate: 8 };
const flags = { ack: 1, padded: 8, priority: 0x20 };
/** What may come before the first call without saying anything about it. */
const preliminary: readonly number[] = [frames.settings, frames.windowUpdate, frames.priority];
/** A call may bring its data along while the acknowledgement is on its way. */
const mostBytes = 4 * 1024 * 1024;

/** Our settings as a frame. */
export function greetingOf(settings: Settings): Buffer {
  const payload = getPackedSettings(settings);
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = frames.settings;
  return Buffer.concat([header, payload]);
}

/** `greet` the client and `wait` for more, hand what was `received` to HTTP, or `refuse` the connection. */
export type OpeningStep =
  | { readonly do: 'wait' }
  | { readonly do: 'greet' }
  | { readonly do: 'refuse' }
  | { readonly do: 'http1' | 'http2'; readonly received: Buffer };

/**
 * The first bytes of a connection, which tell what is spoken on it. Those of HTTP/2 are looked at as far as the first
 * call, because Node refuses an authority that etcd takes (`mendAuthority`). Most clients bring that call at once. Go's
 * wait for our settings before, so these get them from here, and Node, which sends its own, never sees the first
 * acknowledgement.
 */
export class Opening {
  #received: Buffer = Buffer.alloc(0);
  #isGreeted = false;
  #isLate = false;

  push(chunk: Buffer): OpeningStep {
    const received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    this.#received = received;
    const known = Math.min(received.length, preface.length);
    if (!received.subarray(0, known).equals(preface.subarray(0, known))) return { do: 'http1', received };
    return this.#step();
  }

  /** A greeted client has had the time to call: it may have nothing to say yet. */
  hurry(): OpeningStep {
    this.#isLate = true;
    return this.#step();
  }

  #step(): OpeningStep {
    const received = this.#received;
    const { acknowledgedAt, headerBlock, hasSettings, isDecided } = look(received);
    const isTooMuch = received.length > mostBytes;
    if (this.#isGreeted && acknowledgedAt === undefined) return { do: isTooMuch ? 'refuse' : 'wait' };
    if (!isDecided && !this.#isLate && !isTooMuch) {
      if (!hasSettings || this.#isGreeted) return { do: 'wait' };
      this.#isGreeted = true;
      return { do: 'greet' };
    }
    if (headerBlock) mendAuthority(headerBlock);
    if (!this.#isGreeted || acknowledgedAt === undefined) return { do: 'http2', received };
    const after = received.subarray(acknowledgedAt + frameHeaderBytes);
    return { do: 'http2', received: Buffer.concat([received.subarray(0, acknowledgedAt), after]) };
  }
}

/** What is there: up to the first call, and the first acknowledgement wherever it is. */
function look(received: Buffer) {
  let acknowledgedAt: number | undefined;
  let headerBlock: Buffer | undefined;
  let hasSettings = false;
  let isDecided = false;
  let at = preface.length;
  while (at + frameHeaderBytes <= received.length) {
    const type = received[at + 3] as number;
    const flagged = received[at + 4] as number;
    const end = at + frameHeaderBytes + received.readUIntBE(at, 3);
    if (type === frames.settings) {
      if (flagged & flags.ack) acknowledgedAt ??= at;
      else hasSettings = true;
    }
    if (!preliminary.includes(type) && !isDecided) {
      // The whole of it has to be there before it can be read.
      if (type === frames.headers && end > received.length) break;
      if (type === frames.headers) headerBlock = headerBlockIn(received.subarray(at + frameHeaderBytes, end), flagged);
      isDecided = true;
    }
    at = end;
  }
  return { acknowledgedAt, headerBlock, hasSettings, isDecided };
}

function headerBlockIn(payload: Buffer, flagged: number): Buffer {
  const padding = flagged & flags.padded ? (payload[0] ?? 0) : 0;
  const start = (flagged & flags.padded ? 1 : 0) + (flagged & flags.priority ? 5 : 0);
  return payload.subarray(start, Math.max(start, payload.length - padding));
}
