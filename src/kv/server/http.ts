import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { answerText, type Gateway } from './gateway.ts';
import type { Space } from './space.ts';
import { versionAnswer } from './version.ts';

export interface HttpParts {
  readonly gateway: Gateway;
  readonly space: Space;
  /** What `/metrics` says, in Prometheus' form. */
  readonly metrics: () => Promise<string>;
}

// Patroni and others keep a connection between their calls, which are many seconds apart.
const keepAliveMs = 600_000;

/** A question of HTTP, whichever version. */
export interface HttpRequest extends Pick<IncomingMessage, 'headers' | 'method' | 'url' | typeof Symbol.asyncIterator> {
  once(event: 'error', listener: () => void): unknown;
}

/** The answer to it. */
export interface HttpResponse
  extends Pick<ServerResponse, 'headersSent' | 'writableEnded' | 'destroyed' | 'writableLength'> {
  setHeader(name: string, value: string): unknown;
  write(text: string): boolean;
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  end(): unknown;
  end(text: string | Buffer): unknown;
  on(event: 'drain', listener: () => void): unknown;
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

/** Answers what is asked over HTTP without gRPC. */
export type HttpAnswer = (request: HttpRequest, response: HttpResponse) => void;

/** The gateway, and the pages that monitoring asks for. */
export function httpAnswer({ gateway, space, metrics }: HttpParts): HttpAnswer {
  const answer = async (request: HttpRequest, response: HttpResponse): Promise<void> => {
    const path = (request.url ?? '/').replace(/\?.*$/s, '');
    if (isForeign(request)) return answerText(response, 403, 'refused: the page that asks is of another origin');
    if (gateway.serves(path)) return gateway.handle(path, request, response);
    if (path !== '/version' && path !== '/health' && path !== '/metrics') {
      return answerText(response, 404, '404 page not found');
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET');
      return answerText(response, 405, 'Method Not Allowed');
    }
    if (path === '/version') return answerJson(response, 200, versionAnswer);
    if (path === '/metrics') {
      const text = await metrics();
      response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
      response.end(text);
      return;
    }
    const isWell = space.active.length === 0;
    answerJson(response, isWell ? 200 : 503, { health: String(isWell) });
  };
  return (request, response) => {
    answer(request, response).catch(() => response.destroy());
  };
}

/** HTTP/1.1 on the port of gRPC: connections are handed to it. */
export function createHttpServer(answer: HttpAnswer): Server {
  const server = createServer({ keepAliveTimeout: keepAliveMs, requestTimeout: 0 }, answer);
  server.on('clientError', (_, socket) => socket.destroy());
  return server;
}

/** A page of a browser could otherwise write to a store on the machine of who looks at it. */
function isForeign({ headers }: HttpRequest): boolean {
  const { origin, host = headers[':authority'] } = headers;
  return origin !== undefined && !(host !== undefined && origin.replace(/^https?:\/\//, '') === host);
}

function answerJson(response: HttpResponse, status: number, value: object): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
