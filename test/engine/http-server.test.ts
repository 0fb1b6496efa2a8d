import { expect } from 'chai';
import { HttpServer, type HttpServerOptions } from '../../src/engine/http-server.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { Counter, Registry } from '../../src/engine/metrics.ts';

describe('HttpServer', () => {
  const logger = createLogger({ level: 'silent', format: 'json', destination: { write: () => {} } });
  let registry: Registry;
  let stop: AbortController;
  let running: Promise<void>;
  let url: string;

  async function start(options: Partial<HttpServerOptions> = {}): Promise<void> {
    registry = new Registry();
    stop = new AbortController();
    let server!: HttpServer;
    await new Promise<void>((resolve, reject) => {
      const onListening = resolve;
      server = new HttpServer({ host: '127.0.0.1', port: 0, registry, logger, onListening, ...options });
      running = server.run(stop.signal);
      running.catch(reject);
    });
    url = server.url;
  }

  afterEach(async () => {
    stop.abort();
    await running;
  });

  async function get(path: string, method = 'GET') {
    const response = await fetch(`${url}${path}`, { method });
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
  }

  it('says that the process is well, check by check', async () => {
    await start({ health: { workers: () => undefined } });
    expect(await get('/healthz')).to.include({ status: 200, text: '[+]workers ok\nok\n' });
  });

  it('says what is wrong, and to whom it does not matter', async () => {
    const readiness = { cache: () => 'herd is not synced', store: () => undefined };
    await start({ readiness });
    expect(await get('/readyz')).to.include({
      status: 503,
      text: '[-]cache herd is not synced\n[+]store ok\nfailed\n',
    });
    expect(await get('/healthz')).to.include({ status: 200 });
  });

  it('shows the metrics in the form that Prometheus reads', async () => {
    await start();
    new Counter({ name: 'herd_total', help: 'All.', registers: [registry] }).inc(3);
    const { status, type, text } = await get('/metrics');
    expect([status, type]).to.deep.equal([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(text).to.include('herd_total 3\n');
  });

  it('serves documents, made for what is asked', async () => {
    await start({ documents: { '/targets': (query) => [query.get('job')] } });
    expect(await get('/targets?job=cell')).to.deep.equal({ status: 200, type: 'application/json', text: '["cell"]' });
  });

  it('answers nothing else', async () => {
    await start();
    expect(await get('/')).to.include({ status: 404 });
    expect(await get('/constructor')).to.include({ status: 404 });
    expect(await get('/metrics', 'POST')).to.include({ status: 405 });
  });

  it('says which address it could not listen on', async () => {
    await start();
    const { port } = new URL(url);
    const second = new HttpServer({ host: '127.0.0.1', port: Number(port), registry, logger });
    const error = await second.run(stop.signal).catch((reason: unknown) => reason);
    expect(error).to.have.property('message', `listen on 127.0.0.1:${port}`);
  });
});
