import { expect } from 'chai';
import { runProgram } from '../../src/cli/program.ts';
import { expectGolden } from '../fixtures/golden.ts';
import { writeMixedHerd } from '../fixtures/herd.ts';
import { type TestWorld, testWorld } from '../fixtures/world.ts';

describe('what people are shown', () => {
  let world: TestWorld;

  beforeEach(() => {
    world = testWorld({ now: '2026-01-01T14:30:00.000Z' });
    writeMixedHerd(world.keyspace);
  });

  const shown: [args: string, golden: string][] = [
    ['get instances', 'get-instances.txt'],
    ['get instances -o wide', 'get-instances-wide.txt'],
    ['get instance example -o yaml', 'get-instance-example.yaml'],
    ['get cells', 'get-cells.txt'],
    ['get cells -o wide', 'get-cells-wide.txt'],
    ['get nodes', 'get-nodes.txt'],
    ['get nodes example -o wide', 'get-nodes-wide.txt'],
    ['get routes', 'get-routes.txt'],
    ['get routers', 'get-routers.txt'],
    ['get events', 'get-events.txt'],
    ['describe example', 'describe-example.txt'],
    ['describe refused', 'describe-refused.txt'],
    ['describe fresh', 'describe-fresh.txt'],
    ['describe cell cell-3', 'describe-cell-3.txt'],
    ['describe cell cell-4', 'describe-cell-4.txt'],
    ['status', 'status.txt'],
    ['get deleted', 'get-deleted.txt'],
    ['service-status', 'service-status.txt'],
    ['show-cells', 'show-cells.txt'],
  ];
  for (const [args, golden] of shown) {
    it(`pgherd ${args} shows what ${golden} shows`, async () => {
      const code = await runProgram(['--etcd', 'memory', ...args.split(' ')], world);
      expect(world.printed.err).to.equal('');
      expect(code).to.equal(0);
      expectGolden(golden, world.printed.out);
    });
  }

  it('no table and no JSON shows a password', async () => {
    for (const kind of ['instances', 'cells', 'nodes', 'routes', 'routers', 'events', 'deleted']) {
      for (const format of ['wide', 'json', 'yaml']) {
        await runProgram(['--etcd', 'memory', 'get', kind, '-o', format], world);
      }
    }
    for (const id of ['example', 'refused', 'leaving']) await runProgram(['--etcd', 'memory', 'describe', id], world);
    // All generated passwords of this herd are sixteen times the same letter.
    expect(world.printed.out).to.include('30000').and.not.include('HHHHHHHH');
    expect(world.printed.err).not.to.include('HHHHHHHH');
  });
});
