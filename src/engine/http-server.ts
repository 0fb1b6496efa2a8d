import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { aborted } from './aborted.ts';
import type { Logger } from './logger.ts';
import type { Runnable } from './manager.ts';

/** Says in a sentence what is wrong, or nothing. */
export type Check = () => string | undefined;

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly registry: Registry;
  readonly logger: Logger;
  /** By name: what must be well, or the process should be restarted. That it answers at all is not in here. */
  readonly health?: Readonly<Record<string, Check>>;
  /** By name: what must be well for this process to do its work now. */
  readonly readiness?: Readonly<Record<string, Check>>;
  /** By path: what else is served, as JSON. */
  readonly documents?: Readonly<Record<string, (query: URLSearchParams) => unknown>>;
  /** Called once it answers. */
  readonly onListening?: (() => void) | undefined;
}

/** Answers `/healthz`, `/readyz`, `/metrics`, and the documents it is given. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  #port = 0;
  #listens = () => {};
  readonly #listening = new Promise<void>((resolve) => {
    this.#listens = resolve;
  });

  constructor(options: HttpServerOptions) {
    this.#options = options;
  }

  /** The part of a process that it is: the first, and nothing else starts before it answers. */
  get part(): Runnable {
    return {
      name: 'http',
      stage: 'http',
      run: (signal) => this.run(signal),
      ready: (signal) => Promise.race([this.#listening, aborted(signal)]),
    };
  }

  /** Where it listens; the port is known once it does. */
  get url(): string {
    const { host } = this.#options;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#port}`;
  }

  /** Resolves when it has stopped listening; rejects when it cannot listen. */
  async run(signal: AbortSignal): Promise<void> {
    const { host, port, logger, onListening } = this.#options;
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        logger.error({ err: error, url: request.url }, 'http request failed');
        response.destroy();
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.on('error', (error) => reject(new Error(`listen on ${host}:${port}`, { cause: error })));
      server.on('close', resolve);
      server.listen(port, host, () => {
        this.#port = (server.address() as AddressInfo).port;
        this.#listens();
        onListening?.();
      });
      const stop = () => {
        server.close();
        server.closeAllConnections();
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { registry, health = {}, readiness = {}, documents = {} } = this.#options;
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD' }).end();
    else if (pathname === '/healthz') answerChecks(response, health);
    else if (pathname === '/readyz') answerChecks(response, readiness);
    else if (pathname === '/metrics') {
      const text = await registry.metrics();
      response.writeHead(200, { 'content-type': registry.contentType }).end(text);
    } else if (Object.hasOwn(documents, pathname)) {
      const text = JSON.stringify(documents[pathname]?.(searchParams));
      response.writeHead(200, { 'content-type': 'application/json' }).end(text);
    } else response.writeHead(404).end();
  }
}

function answerChecks(response: ServerResponse, checks: Readonly<Record<string, Check>>): void {
  const results = Object.entries(checks).map(([name, check]) => ({ name, problem: check() }));
  const isWell = results.every(({ problem }) => problem === undefined);
  const lines = results.map(({ name, problem }) => (problem === undefined ? `[+]${name} ok` : `[-]${name} ${problem}`));
  response
    .writeHead(isWell ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8' })
    .end(`${[...lines, isWell ? 'ok' : 'failed'].join('\n')}\n`);
}
