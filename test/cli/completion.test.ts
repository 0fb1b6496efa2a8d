import { expect } from 'chai';
import { writeMixedHerd } from '../fixtures/herd.ts';
import { pgherd, testWorld } from '../fixtures/world.ts';

describe('pgherd __complete', () => {
  const cases: [words: string, ...expected: string[]][] = [
    ['de', 'describe', 'delete'],
    ['get ', 'instances', 'cells', 'nodes', 'routes', 'routers', 'events', 'deleted'],
    ['get instances e', 'edited', 'example'],
    ['get cells ', 'cell-1', 'cell-2', 'cell-3', 'cell-4', 'cell-5'],
    ['get instances -o y', 'yaml'],
    ['get instances --w', '--watch'],
    ['--root /x get instances exa', 'example'],
    ['describe cell cell-5', 'cell-5'],
    ['uri exam', 'example'],
    ['uri example --user s', 'superuser'],
    ['switchover example --to example-b', 'example-bbbbbb'],
    ['completion z', 'zsh'],
    ['get --etcd-p', '--etcd-password-file'],
  ];
  for (const [words, ...expected] of cases) {
    it(`completes \`pgherd ${words}\``, async () => {
      const world = testWorld();
      writeMixedHerd(world.keyspace);
      const { out } = await pgherd(world, `__complete -- ${words}`);
      expect(out.trimEnd().split('\n').sort()).to.deep.equal(expected.sort());
    });
  }
});
