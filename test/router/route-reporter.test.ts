import { expect } from 'chai';
import { createLogger } from '../../src/engine/logger.ts';
import { parseFact } from '../../src/router/fact.ts';
import { RouteReporter } from '../../src/router/route-reporter.ts';
import { RoutingView } from '../../src/router/routing-view.ts';

describe('RouteReporter.report()', () => {
  let view: RoutingView;
  let revision: bigint;
  let said: string[];
  let lines: string[];
  let reporter: RouteReporter;

  beforeEach(() => {
    view = new RoutingView({ first: 30000, last: 30009 });
    revision = 0n;
    said = [];
    lines = [];
    reporter = new RouteReporter({
      view,
      logger: createLogger({ level: 'debug', format: 'json', destination: { write: (line) => lines.push(line) } }),
      events: { record: ({ type, reason, object, message }) => said.push(`${type} ${reason} ${object} ${message}`) },
    });
  });

  function put(key: string, value: string): void {
    revision += 1n;
    view.apply(parseFact({ key, value, createRevision: revision, modRevision: revision, leaseId: 0n }), revision);
  }

  function report(): void {
    const { ports, instances } = view.takeChanges();
    reporter.note(instances);
    reporter.report(ports);
  }

  const member = (n: number) =>
    JSON.stringify({
      ...{ role: 'replica', state: 'running' },
      ...{ conn_url: `postgres://u:secret@10.0.0.${n}:5432/`, api_url: `http://10.0.0.${n}:8008/` },
    });

  function putInstance(): void {
    put('/routing/allocation/f1', '30000');
    put('/service/f1/members/a', member(1));
    put('/service/f1/members/b', member(2));
    put('/service/f1/leader', 'a');
  }

  it('says nothing of routes that a restarted router finds in order', () => {
    putInstance();
    report();
    put('/service/f1/members/a', member(1));
    report();
    expect([...said, ...lines]).to.deep.equal([]);
    expect(view.countStates()).to.deep.equal({ open: 1, held: 0, shut: 0 });
  });

  it('says once where a port leads now', () => {
    putInstance();
    report();
    put('/service/f1/leader', 'b');
    report();
    put('/service/f1/leader', 'b');
    report();
    expect(said).to.deep.equal(['Normal Routed instance/f1 port 30000 leads to 10.0.0.2:5432']);
    expect(lines.length).to.equal(1);
  });

  it('says once why a port leads nowhere, also one outside the block, and never a password', () => {
    report();
    putInstance();
    put('/service/f1/members/a', member(1).replace('10.0.0.1:5432', 'db:5432'));
    put('/routing/allocation/f2', '40000');
    report();
    put('/service/f1/leader', 'a');
    report();
    expect(said).to.have.members([
      'Warning NotRouted instance/f1 no new connections: leader a: conn_url has no IP address and port',
      'Warning NotRouted instance/f2 no new connections: port 40000 is outside the block 30000-30009',
    ]);
    expect(lines.join()).to.not.include('secret');
    expect(view.countStates()).to.deep.equal({ open: 0, held: 0, shut: 2 });
  });
});
