import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Clock } from '../../time/clock.ts';
import { grpcCode, KvError } from '../kv-error.ts';

const { HTTP2_HEADER_STATUS, HTTP2_HEADER_CONTENT_TYPE, NGHTTP2_NO_ERROR } = constants;

const responseHeaders: OutgoingHttpHeaders = {
  [HTTP2_HEADER_STATUS]: 200,
  [HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
};
const okTrailers: OutgoingHttpHeaders = { 'grpc-status': '0' };

/** How much may wait for a client that does not read. */
const fullBytes = 1024 * 1024;

const withTrailers = { waitForTrailers: true };

/** The answering half of one gRPC call: headers when there is something to say, the status as trailers. */
export class GrpcCall {
  readonly #stream: ServerHttp2Stream;
  #trailers: OutgoingHttpHeaders = okTrailers;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #ended = false;
  stopDeadline: (() => void) | undefined;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  get isOver(): boolean {
    return this.#ended || this.#stream.destroyed || this.#stream.closed;
  }

  /** The one answer there is. */
  answer(frame: Buffer): void {
    if (this.isOver) return;
    this.#ended = true;
    this.stopDeadline?.();
    this.#respond();
    this.#stream.end(frame);
  }

  /** One of many answers; returns false when the client does not keep up. */
  write(frame: Buffer): boolean {
    if (this.isOver) return true;
    this.#pending.push(frame);
    this.#pendingBytes += frame.length;
    // What is written in one turn goes out as one piece: a change that many watches see is many small messages.
    if (this.#pending.length === 1) process.nextTick(() => this.#flush());
    return this.#stream.writableLength + this.#pendingBytes < fullBytes;
  }

  end(): void {
    if (this.isOver) return;
    this.#flush();
    this.#ended = true;
    this.stopDeadline?.();
    this.#respond();
    this.#stream.end();
  }

  fail(error: KvError): void {
    if (this.isOver) return;
    this.#flush();
    this.#ended = true;
    this.stopDeadline?.();
    const status = { 'grpc-status': String(grpcCode[error.code]), 'grpc-message': escapeMessage(error.message) };
    if (this.#stream.headersSent) {
      this.#trailers = status;
      this.#stream.end();
    } else {
      this.#stream.respond({ ...responseHeaders, ...status }, { endStream: true });
    }
    // The client may still be sending what nobody will read.
    if (!this.#stream.readableEnded) this.#stream.close(NGHTTP2_NO_ERROR);
  }

  /** Ends the call in time, if the client said how long it waits. */
  startDeadline(headers: IncomingHttpHeaders, clock: Clock): void {
    const timeout = headers['grpc-timeout'];
    if (typeof timeout !== 'string') return;
    const ms = timeoutMs(timeout);
    if (ms === undefined) {
      this.fail(new KvError('Internal', `malformed grpc-timeout: ${timeout}`));
      return;
    }
    this.stopDeadline = clock.after(ms, () => this.fail(new KvError('DeadlineExceeded', 'context deadline exceeded')));
  }

  #respond(): void {
    if (this.#stream.headersSent) return;
    this.#stream.respond(responseHeaders, withTrailers);
    this.#stream.once('wantTrailers', () => this.#stream.sendTrailers(this.#trailers));
  }

  #flush(): void {
    if (this.#pending.length === 0 || this.isOver) return;
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#respond();
    this.#stream.write(pending.length === 1 ? pending[0] : Buffer.concat(pending));
  }
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout` as the protocol has it: up to eight digits and a unit. */
export function timeoutMs(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * (unitMs[match[2] as string] as number);
}

/** Percent-encoded, as `grpc-message` has to be. */
const escapeMessage = (message: string): string =>
  encodeURIComponent(message).replaceAll(/%(2[0-46-9A-F]|3[A-F]|40|5[BD-F]|60|7[B-E])/g, (coded) =>
    decodeURIComponent(coded),
  );
