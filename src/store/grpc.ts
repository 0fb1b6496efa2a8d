import { setMaxListeners } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Clock } from '../time/clock.ts';
import { FrameReader, frame } from './grpc-frame.ts';
import { deadlineExceeded, GrpcError, outcomeOf, resourceExhausted, unavailable } from './grpc-status.ts';

/** One method of a service, as generated from its description. */
export interface GrpcMethod<Request, Response> {
  readonly path: string;
  requestSerialize(request: Request): Buffer;
  responseDeserialize(message: Buffer): Response;
}

/** A call in both directions: iterating it ends by throwing, or by leaving the loop. */
export interface GrpcStream<Request, Response> extends AsyncIterable<Response> {
  write(request: Request): void;
  cancel(): void;
}

/** Headers of a call, for example a token. */
export type GrpcMetadata = Readonly<Record<string, string>>;

/** What makes a connection secure. */
export interface Tls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Half-open connections are found by a ping every so often; etcd ends connections that ask it faster than every 5 s. */
const pingEveryMs = 10_000;
const pingTimeoutMs = 5_000;
const windowBytes = 4 * 1024 * 1024;

/**
 * gRPC over one HTTP/2 connection. It connects once: when the connection is lost every call on it fails, and its owner
 * makes another. Half the work per call of grpc-js, and none of its own opinions about retries and reconnecting.
 */
export class GrpcSession {
  readonly endpoint: string;
  readonly #clock: Clock;
  readonly #session: ClientHttp2Session;
  #calls = 0;
  #retired = false;
  #stopPings: (() => void) | undefined;

  constructor(endpoint: string, tls: Tls | undefined, clock: Clock, onClose: () => void) {
    this.endpoint = endpoint;
    this.#clock = clock;
    this.#session = connect(endpoint, {
      ...tls,
      settings: { enablePush: false, initialWindowSize: windowBytes },
      // Node's default of 10 MB refuses new calls while large answers are on their way.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
    });
    this.#session.once('connect', () => {
      // It may have been closed while it was connecting, and would throw where nobody can catch it.
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(windowBytes);
    });
    // Every call learns of it as well.
    this.#session.on('error', () => {});
    this.#session.once('close', () => {
      this.#stopPings?.();
      onClose();
    });
  }

  /** Whether new calls may be made on it. */
  get usable(): boolean {
    return !this.#retired && !this.#session.closed && !this.#session.destroyed;
  }

  /** Sends one message and returns the answer to it; fits methods that stream too, if one answer is all there is. */
  call<Request, Response>(
    method: GrpcMethod<Request, Response>,
    request: Request,
    metadata: GrpcMetadata,
    options: { readonly timeoutMs: number; readonly maxBytes: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Response> {
    const { signal, timeoutMs, maxBytes } = options;
    return new Promise((resolve, reject) => {
      const stream = this.#request(method.path, metadata);
      const outcome = outcomeOf(stream);
      const reader = new FrameReader();
      let answer: Buffer | undefined;
      let failure: unknown;
      const abort = (reason: unknown) => {
        failure = reason;
        stream.destroy();
      };
      const onAbort = () => abort(signal?.reason);
      const stopDeadline = this.#clock.after(timeoutMs, () =>
        abort(new GrpcError(deadlineExceeded, `no answer within ${timeoutMs} ms`)),
      );
      if (signal) {
        // Many calls under one signal are no leak: each takes its listener away.
        setMaxListeners(0, signal);
        signal.addEventListener('abort', onAbort);
      }
      stream.on('data', (chunk: Buffer) => {
        answer ??= reader.push(chunk)[0];
        if (reader.expectedBytes > maxBytes) {
          abort(new GrpcError(resourceExhausted, `the answer of ${reader.expectedBytes} bytes is larger than max`));
        }
      });
      stream.once('close', () => {
        stopDeadline();
        signal?.removeEventListener('abort', onAbort);
        const error = failure ?? outcome();
        if (error) return reject(error);
        if (!answer) return reject(new GrpcError(unavailable, 'the answer is empty'));
        try {
          resolve(method.responseDeserialize(answer));
        } catch (cause) {
          reject(new GrpcError(unavailable, 'the answer is not of the protocol', { cause }));
        }
      });
      stream.end(frame(method.requestSerialize(request)));
    });
  }

  /** Opens a stream; while there is one, the connection is probed. */
  open<Request, Response>(
    method: GrpcMethod<Request, Response>,
    metadata: GrpcMetadata,
  ): GrpcStream<Request, Response> {
    const stream = this.#request(method.path, metadata);
    const outcome = outcomeOf(stream);
    this.#startPings();
    return {
      write: (request) => void stream.write(frame(method.requestSerialize(request))),
      cancel: () => void stream.destroy(),
      async *[Symbol.asyncIterator]() {
        const reader = new FrameReader();
        try {
          for await (const chunk of stream) {
            for (const message of reader.push(chunk as Buffer)) yield method.responseDeserialize(message);
          }
        } catch (error) {
          throw outcome() ?? error;
        }
        throw outcome() ?? new GrpcError(unavailable, 'the server ended the stream');
      },
    };
  }

  /** Takes no new calls, and hangs up after the last one that is under way. */
  retire(): void {
    this.#retired = true;
    if (this.#calls === 0) this.#session.destroy();
  }

  /** Ends all calls. */
  destroy(): void {
    this.#retired = true;
    this.#session.destroy();
  }

  #request(path: string, metadata: GrpcMetadata): ClientHttp2Stream {
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request({
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: path,
        [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
        [constants.HTTP2_HEADER_TE]: 'trailers',
        ...metadata,
      });
    } catch (cause) {
      throw new GrpcError(unavailable, (cause as Error).message, { cause });
    }
    this.#calls += 1;
    stream.once('close', () => {
      this.#calls -= 1;
      if (this.#retired && this.#calls === 0) this.#session.destroy();
    });
    return stream;
  }

  #startPings(): void {
    if (this.#stopPings) return;
    this.#stopPings = this.#clock.after(pingEveryMs, () => {
      this.#stopPings = undefined;
      if (this.#calls > 0 && !this.#session.destroyed) this.#ping();
    });
  }

  #ping(): void {
    const dead = () => this.#session.destroy(new Error('the connection is dead: no answer to a ping'));
    const stopWaiting = this.#clock.after(pingTimeoutMs, dead);
    this.#stopPings = stopWaiting;
    this.#session.ping((error) => {
      stopWaiting();
      this.#stopPings = undefined;
      if (error) dead();
      else this.#startPings();
    });
  }
}
