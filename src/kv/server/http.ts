import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
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

/** HTTP/1.1 on the same port: the gateway, and the pages that monitoring asks for. Connections are handed to it. */
export function createHttpServer({ gateway, space, metrics }: HttpParts): Server {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
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
      response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
      return;
    }
    const isWell = space.active.length === 0;
    answerJson(response, isWell ? 200 : 503, { health: String(isWell) });
  };
  const server = createServer({ keepAliveTimeout: keepAliveMs, requestTimeout: 0 }, (request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.on('clientError', (_, socket) => socket.destroy());
  return server;
}

/** A page of a browser could otherwise write to a store on the machine of who looks at it. */
function isForeign({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  return origin !== undefined && !(host !== undefined && origin.replace(/^https?:\/\//, '') === host);
}

function answerJson(response: ServerResponse, status: number, value: object): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
