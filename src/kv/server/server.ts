import type { Clock } from '../../time/clock.ts';
import { AccountStore } from '../auth/account-store.ts';
import { deposed } from '../auth/accounts.ts';
import { Authenticator } from '../auth/authenticator.ts';
import { Gate } from '../auth/gate.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { Backend } from '../backend.ts';
import { Calls } from './calls.ts';
import type { Member } from './cluster.ts';
import { Gateway } from './gateway.ts';
import { type GrpcOptions, serveGrpc } from './grpc.ts';
import { createHttpServer, httpAnswer } from './http.ts';
import { loadIdentity } from './identity.ts';
import { Listener, type ServerTls } from './listener.ts';
import { methodsOf } from './methods.ts';
import { Space } from './space.ts';

export interface KvServerOptions {
  readonly backend: Backend;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: ServerTls | undefined;
  /** Known once the port is: where clients are told to go. */
  readonly member: (port: number) => Member;
  readonly tokens: Tokens;
  readonly clock: Clock;
  /** Faults of ours, for the log. */
  readonly onFault: (error: unknown, path: string) => void;
  /** More for `/metrics`. */
  readonly moreMetrics?: () => Promise<string>;
}

/** Calls that are under way may end before connections are cut. */
const graceMs = 2_000;

/** etcd's API in front of a backend, on one port. */
export class KvServer {
  readonly #options: KvServerOptions;
  #alarm: (() => Promise<void>) | undefined;

  constructor(options: KvServerOptions) {
    this.#options = options;
  }

  /** Serves until the signal aborts; rejects when it cannot listen, or the backend fails. */
  async run(signal: AbortSignal, onListening: (port: number) => void = () => {}): Promise<void> {
    const { backend, clock } = this.#options;
    const closing = new AbortController();
    const working = backend.run(closing.signal);
    try {
      const listener = await this.#listen();
      try {
        onListening(listener.port);
        await Promise.race([working, aborted(signal)]);
        listener.retire();
        if (listener.connections > 0) await clock.sleep(graceMs, goneSignal(listener, clock)).catch(() => {});
      } finally {
        listener.destroy();
      }
    } finally {
      closing.abort();
      await working;
    }
  }

  /** The backend refused a write because the quota is used up. */
  quotaExceeded(): void {
    const { onFault } = this.#options;
    this.#alarm?.().catch((error: unknown) => onFault(error, 'alarm NOSPACE'));
  }

  async #listen(): Promise<Listener> {
    const { backend, clock, host, port, tls, tokens, onFault } = this.#options;
    const identity = await loadIdentity(backend);
    const accounts = new AccountStore(backend, (before, after) => {
      const whose = deposed(before, after);
      if (whose === 'all') tokens.forgetAll();
      else for (const user of whose) tokens.forget(user);
    });
    const space = new Space(backend);
    const load = async () => {
      await accounts.load();
      await space.load();
    };
    // What is changed while it is being read is told again.
    backend.followMeta(load);
    await load();
    this.#alarm = () => space.raise('NOSPACE', identity.memberId);
    const gate = new Gate(accounts, tokens);
    const calls = new Calls();
    const authenticator = new Authenticator(accounts, tokens);
    const parts = { backend, identity, gate, space, clock, accounts, authenticator };
    let member: Member = { name: '', clientUrls: [] };
    const methods = methodsOf(parts, () => member);
    const grpc: GrpcOptions = { methods, clock, onFault, onCall: (path, code) => calls.count(path, code) };
    const metrics = async () =>
      calls.print(backend, space, listener.connections) + ((await this.#options.moreMetrics?.()) ?? '');
    const answer = httpAnswer({ gateway: new Gateway(grpc), space, metrics });
    const listener = new Listener({
      ...{ host, port, tls, clock, http: createHttpServer(answer) },
      onHttp2: (session, certificateName) => serveGrpc(session, certificateName, grpc, answer),
    });
    await listener.listen();
    member = this.#options.member(listener.port);
    return listener;
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Aborts as soon as nobody is connected any more. */
function goneSignal(listener: Listener, clock: Clock): AbortSignal {
  const gone = new AbortController();
  const look = () => {
    if (listener.connections === 0) gone.abort();
    else if (!gone.signal.aborted) clock.after(20, look);
  };
  look();
  return gone.signal;
}
