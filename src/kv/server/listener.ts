import type { Server as HttpServer } from 'node:http';
import { performServerHandshake, type ServerHttp2Session } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Clock } from '../../time/clock.ts';
import { greetingOf, Opening, type OpeningStep } from './opening.ts';

/** Certificates, as PEM. */
export interface ServerTls {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Clients must show a certificate that one of these authorities has signed. */
  readonly clientCa?: Buffer;
}

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: ServerTls | undefined;
  readonly clock: Clock;
  readonly http: HttpServer;
  readonly onHttp2: (session: ServerHttp2Session, certificateName: string | undefined) => void;
}

/** Of one connection: Node's own 10 MB are less than ten thousand streams. */
const sessionMemoryMb = 256;
const settings = { maxConcurrentStreams: 20_000, initialWindowSize: 256 * 1024, enablePush: false };
const greeting = greetingOf(settings);
const connectionWindowBytes = 4 * 1024 * 1024;
const patienceMs = 30_000;
/** A client that has our settings calls at once, or has nothing to say yet. */
const firstCallWithinMs = 1_000;
const probeAfterMs = 30_000;

/** One port for gRPC and for HTTP/1.1: the first bytes tell which it is. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(options: ListenerOptions) {
    this.#options = options;
    const { tls } = options;
    if (!tls) {
      this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket, undefined));
      return;
    }
    const { cert, key, clientCa } = tls;
    const server = createTlsServer({
      ...{ cert, key, noDelay: true, ALPNProtocols: ['h2', 'http/1.1'], handshakeTimeout: patienceMs },
      ...(clientCa && { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
    });
    server.on('secureConnection', (socket) => this.#accept(socket, certificateNameOf(socket)));
    server.on('connection', (socket) => this.#remember(socket));
    this.#server = server;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Resolves when it listens, rejects when it cannot. */
  listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', reject).on('error', () => {});
        resolve();
      });
    });
  }

  /** Takes no more connections and no more calls. */
  retire(): void {
    this.#server.close();
    for (const session of this.#sessions) session.close();
  }

  /** Hangs up on everybody. */
  destroy(): void {
    this.#server.close();
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  #remember(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
  }

  #accept(socket: Socket, certificateName: string | undefined): void {
    this.#remember(socket);
    socket.setKeepAlive(true, probeAfterMs);
    const { clock, http } = this.#options;
    const opening = new Opening();
    const stopWaiting = [clock.after(patienceMs, () => socket.destroy())];
    const stop = () => {
      for (const each of stopWaiting) each();
    };
    const take = (step: OpeningStep) => {
      if (step.do === 'wait') return;
      if (step.do === 'refuse') return socket.destroy();
      if (step.do === 'greet') {
        // Node's HTTP/2 writes past the queue of a TLS socket and aborts the process when a write is still under way there.
        socket.pause();
        socket.write(greeting, () => socket.resume());
        stopWaiting.push(clock.after(firstCallWithinMs, () => take(opening.hurry())));
        return;
      }
      stop();
      socket.off('data', onData);
      socket.pause();
      socket.unshift(step.received);
      if (step.do === 'http2') return this.#serveHttp2(socket, certificateName);
      http.emit('connection', socket);
      socket.resume();
    };
    const onData = (chunk: Buffer) => take(opening.push(chunk));
    socket.on('data', onData);
    socket.once('close', stop);
  }

  #serveHttp2(socket: Socket, certificateName: string | undefined): void {
    const session = performServerHandshake(socket, { maxSessionMemory: sessionMemoryMb, settings });
    this.#sessions.add(session);
    session.once('close', () => {
      this.#sessions.delete(session);
      socket.destroy();
    });
    session.setLocalWindowSize(connectionWindowBytes);
    this.#options.onHttp2(session, certificateName);
  }
}

/** Whose certificate was verified, if one was shown. */
function certificateNameOf(socket: TLSSocket): string | undefined {
  if (!socket.authorized) return undefined;
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
