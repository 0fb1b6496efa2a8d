import type { Clock } from '../time/clock.ts';
import { isStaleToken, toStoreError } from './etcd-errors.ts';
import { clusterIdOf, type EtcdMethods, loadMethods, type WatchRequest, type WatchResponse } from './etcd-methods.ts';
import { type GrpcMetadata, type GrpcMethod, GrpcSession, type GrpcStream, type Tls } from './grpc.ts';
import type { CallOptions } from './store.ts';
import { StoreError } from './store-error.ts';

/** How to reach an etcd cluster. */
export interface EtcdEndpoints {
  /** `http://host:port` or `https://host:port` of members, the scheme may be left out; one at a time is used. */
  readonly endpoints: readonly string[];
  readonly user?: { readonly name: string; readonly password: string };
  readonly tls?: Tls;
  /** After so long an answer does not come any more: 5 s unless given. */
  readonly callTimeoutMs?: number;
  readonly clock: Clock;
}

type Unary = Omit<EtcdMethods, 'watch'>;
type RequestOf<Name extends keyof Unary> = Unary[Name] extends GrpcMethod<infer Request, unknown> ? Request : never;
type ResponseOf<Name extends keyof Unary> = Unary[Name] extends GrpcMethod<never, infer Response> ? Response : never;

/** A stream for watches, and what its owner reports about it. */
export interface EtcdWatchStream {
  readonly stream: GrpcStream<WatchRequest, WatchResponse>;
  /** It broke or was mute: the next call makes a new connection. */
  readonly failed: () => void;
  /** The user was: perhaps the token has expired. */
  readonly refused: () => void;
}

/** Larger answers are refused: a list asks for smaller pages then. */
const maxAnswerBytes = 64 * 1024 * 1024;

/**
 * Calls to an etcd cluster, over one connection to one member at a time. When that fails, or an answer does not come
 * in time, the next call makes a connection to the next member; whether to call again is up to the caller.
 */
export class EtcdConnection {
  readonly #options: EtcdEndpoints;
  readonly #endpoints: readonly string[];
  readonly #closed = new AbortController();
  readonly #methods = loadMethods();
  readonly #sessions = new Set<GrpcSession>();
  #session: GrpcSession | undefined;
  #memberIndex = 0;
  #token: Promise<GrpcMetadata> | undefined;
  /** The same, once it is here and as long as it is good. */
  #authorized: GrpcMetadata | undefined;
  #clusterId: string | undefined;

  constructor(options: EtcdEndpoints) {
    this.#options = options;
    this.#endpoints = options.endpoints.map((endpoint) => completeEndpoint(endpoint, options.tls));
  }

  /** Aborts when the connection is closed for good. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  get callTimeoutMs(): number {
    return this.#options.callTimeoutMs ?? 5_000;
  }

  /** The cluster that gave the last answer. */
  get clusterId(): string | undefined {
    return this.#clusterId;
  }

  /** Calls a method of etcd; rejects with a `StoreError` that begins with `attempted`, or the signal's reason. */
  async call<Name extends keyof Unary>(
    name: Name,
    request: RequestOf<Name>,
    attempted: () => string,
    options: CallOptions & { readonly timeoutMs?: number } = {},
  ): Promise<ResponseOf<Name>> {
    const { signal, timeoutMs = this.callTimeoutMs } = options;
    for (let firstTry = true; ; firstTry = false) {
      signal?.throwIfAborted();
      const session = this.#current();
      let metadata: GrpcMetadata | undefined;
      try {
        metadata = await this.#authorization(session);
        const response = await this.#callOn(session, name, request, metadata, { timeoutMs, signal });
        this.#clusterId = clusterIdOf((response as Pick<ResponseOf<'range'>, 'header'>).header);
        return response;
      } catch (error) {
        signal?.throwIfAborted();
        this.#closed.signal.throwIfAborted();
        if (isStaleToken(error) && metadata && this.#options.user && firstTry) {
          this.#forgetToken(metadata);
          continue;
        }
        const failure = toStoreError(error, `${attempted()} at ${session.endpoint}`);
        if (failure.code === 'unavailable') this.#leave(session);
        throw failure;
      }
    }
  }

  /** Opens a stream for watches; the watch tells how it fared. */
  async openWatch(): Promise<EtcdWatchStream> {
    const session = this.#current();
    try {
      const metadata = await this.#authorization(session);
      const { watch } = this.#methods;
      return {
        // With hasleader a member that has lost the others ends the stream instead of keeping it open in silence.
        stream: session.open(watch, { ...metadata, hasleader: 'true' }),
        failed: () => this.#leave(session),
        refused: () => this.#forgetToken(metadata),
      };
    } catch (error) {
      const failure = toStoreError(error, `open a stream to ${session.endpoint}`);
      if (failure.code === 'unavailable') this.#leave(session);
      throw failure;
    }
  }

  close(): void {
    this.#closed.abort(new StoreError('unavailable', 'the store is closed'));
    for (const session of this.#sessions) session.destroy();
  }

  async #callOn<Name extends keyof Unary>(
    session: GrpcSession,
    name: Name,
    request: RequestOf<Name>,
    metadata: GrpcMetadata,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<ResponseOf<Name>> {
    const method = this.#methods[name] as unknown as GrpcMethod<RequestOf<Name>, ResponseOf<Name>>;
    return session.call(method, request, metadata, { ...options, maxBytes: maxAnswerBytes });
  }

  async #authorization(session: GrpcSession): Promise<GrpcMetadata> {
    if (!this.#options.user) return {};
    this.#token ??= this.#authenticate(session, this.#options.user);
    const asked = this.#token;
    try {
      return await asked;
    } catch (error) {
      if (this.#token === asked) this.#token = undefined;
      throw error;
    }
  }

  /** Many calls may be refused at once, and etcd takes long over a password: one new token is for all of them. */
  #forgetToken(refused: GrpcMetadata): void {
    if (this.#authorized !== refused) return;
    this.#authorized = undefined;
    this.#token = undefined;
  }

  async #authenticate(session: GrpcSession, user: { name: string; password: string }): Promise<GrpcMetadata> {
    let metadata: GrpcMetadata = {};
    try {
      const { token } = await this.#callOn(session, 'authenticate', user, {}, { timeoutMs: this.callTimeoutMs });
      metadata = { token };
    } catch (error) {
      // Credentials are given, but the cluster does not ask for any (yet).
      if (!/authentication is not enabled/.test((error as Error).message)) throw error;
    }
    this.#authorized = metadata;
    return metadata;
  }

  #current(): GrpcSession {
    this.#closed.signal.throwIfAborted();
    if (!this.#session?.usable) {
      const { tls, clock } = this.#options;
      const endpoint = this.#endpoints[this.#memberIndex % this.#endpoints.length] as string;
      const session = new GrpcSession(endpoint, tls, clock, () => this.#sessions.delete(session));
      this.#sessions.add(session);
      this.#session = session;
    }
    return this.#session;
  }

  /** Turns to the next member, unless another call did so already. Calls under way on the old connection go on. */
  #leave(session: GrpcSession): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#memberIndex += 1;
    session.retire();
  }
}

/** `https://host:port` from that, with or without a slash, or from `host:port` alone. */
function completeEndpoint(endpoint: string, tls: Tls | undefined): string {
  const scheme = tls ? 'https' : 'http';
  const complete = (endpoint.includes('://') ? endpoint : `${scheme}://${endpoint}`).replace(/\/$/, '');
  if (/^https?:\/\/[^/@]+$/.test(complete) && (!tls || complete.startsWith('https:'))) return complete;
  // What is wrong with it may be a password: not repeated.
  throw new StoreError('invalid', `an endpoint of etcd is not of the form ${scheme}://host:port`);
}
