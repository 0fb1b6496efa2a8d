import { expect } from 'chai';
import { writeMixedHerd } from '../fixtures/herd.ts';
import { pgherd, type TestWorld, testWorld } from '../fixtures/world.ts';

const everything = { start: '/', end: '0' };

describe('commands on one instance', () => {
  let world: TestWorld;
  beforeEach(() => {
    world = testWorld();
    writeMixedHerd(world.keyspace);
  });

  it('uri prints what a client connects with, for each account and endpoint', async () => {
    const password = 'H'.repeat(16);
    expect((await pgherd(world, 'uri example')).out).to.equal(
      `postgres://appuser:${password}@10.0.0.9:30000/postgres\n`,
    );
    const readOnly = await pgherd(world, 'uri example --user superuser --read-only');
    expect(readOnly.out).to.equal(`postgres://postgres:${password}@10.0.0.9:27232/postgres\n`);
  });

  it('uri says why there is no endpoint, and what to do', async () => {
    const { code, err } = await pgherd(world, 'uri refused');
    expect(code).to.equal(1);
    expect(err).to.include('no endpoint yet: no cell has room').and.include('pgherd wait refused');
  });

  for (const command of ['uri', 'describe', 'wait', 'switchover', 'delete']) {
    it(`${command} names the nearest instance when there is none of that name`, async () => {
      const { code, err } = await pgherd(world, `${command} exmaple`);
      expect(code).to.equal(1);
      expect(err).to.equal('pgherd: no instance "exmaple". Did you mean example?\n');
    });
  }

  it('delete removes the document and nothing else', async () => {
    const { code, out } = await pgherd(world, 'delete example');
    expect(code).to.equal(0);
    expect(out).to.include('example is being deleted: its nodes stop now').and.include('`pgherd undelete example`');
    expect(world.keyspace.get('/serviceinstances/example')).to.equal(undefined);
    expect(world.keyspace.get('/service/example/state')).not.to.equal(undefined);
  });

  it('delete asks on a terminal, and does nothing without a yes', async () => {
    const terminal = testWorld({ isTTY: true, stdin: 'n\n' });
    writeMixedHerd(terminal.keyspace);
    const { code, err } = await pgherd(terminal, 'delete example');
    expect(code).to.equal(1);
    expect(err).to.include('Delete instance example').and.include('nothing was deleted');
    expect(terminal.keyspace.get('/serviceinstances/example')).not.to.equal(undefined);
  });

  it('delete --wait ends when nothing is left', async () => {
    const waiting = pgherd(world, 'delete example --wait');
    const stop = world.keyspace.subscribe(everything, 0n, () => {
      stop();
      world.keyspace.txn({ if: [], then: [{ type: 'delete', key: '/service/example/state' }] });
    });
    expect((await waiting).out).to.equal('example deleted\n');
  });

  it('wait ends at once when the condition holds for the present document', async () => {
    expect((await pgherd(world, 'wait example')).code).to.equal(0);
    expect((await pgherd(world, 'wait hollow --for=Degraded')).code).to.equal(0);
    expect((await pgherd(world, 'wait example --for Degraded=False')).code).to.equal(0);
  });

  it('wait does not take a Ready that speaks of an earlier document; ends with 3 and says what it waits for', async () => {
    const { code, err } = await pgherd(world, 'wait edited --timeout 300ms');
    expect(code).to.equal(3);
    expect(err).to.include('edited to be Ready: the controller has not looked at the document yet');
  });

  it('wait --for=Deleted ends when document and state are gone', async () => {
    expect((await pgherd(world, 'wait nobody --for=Deleted')).code).to.equal(0);
    expect((await pgherd(world, 'wait leaving --for=Deleted --timeout 200ms')).code).to.equal(3);
  });

  it('switchover asks Patroni through its key, once, and follows the leader', async () => {
    const waiting = pgherd(world, 'switchover example --to example-bbbbbb --wait');
    const stop = world.keyspace.subscribe(everything, 0n, () => {
      stop();
      expect(world.keyspace.get('/service/example/failover')?.value).to.equal(
        '{"leader":"example-aaaaaa","member":"example-bbbbbb"}',
      );
      world.keyspace.txn({ if: [], then: [{ type: 'put', key: '/service/example/leader', value: 'example-bbbbbb' }] });
    });
    const { code, out } = await waiting;
    expect(code).to.equal(0);
    expect(out).to.match(/hand over to example-bbbbbb\nexample: example-bbbbbb leads, after [\d.]+ s\n$/);
    expect((await pgherd(world, 'switchover example')).err).to.include('already under way');
  });

  const impossible: [args: string, words: string][] = [
    ['switchover hollow', 'has one node only'],
    ['switchover refused', 'has no leader'],
    ['switchover example --to example-aaaaaa', 'leads example already'],
    ['switchover example --to example-bbbbbc', 'Did you mean example-bbbbbb?'],
  ];
  for (const [args, words] of impossible) {
    it(`${args} is refused before Patroni is asked`, async () => {
      const { code, err } = await pgherd(world, args);
      expect(code).to.equal(1);
      expect(err).to.include(words);
      expect(
        world.keyspace.list({ start: '/service/', end: '/service0' }).some(({ key }) => key.endsWith('/failover')),
      ).to.equal(false);
    });
  }

  it('get --watch prints a row again when it changes, until Ctrl-C', async () => {
    const watching = pgherd(world, 'get instances --watch');
    const { stdout } = world;
    const write = stdout.write;
    stdout.write = (text) => {
      write(text);
      if (text.startsWith('refused ')) {
        world.keyspace.txn({
          if: [],
          then: [{ type: 'put', key: '/service/example/leader', value: 'example-bbbbbb' }],
        });
      }
      if (text.includes('example-bbbbbb')) world.interrupt();
    };
    const { code, out } = await watching;
    expect(code).to.equal(130);
    const lines = out.trimEnd().split('\n');
    expect(lines.filter((line) => line.startsWith('example '))).to.have.length(2);
    expect(lines).to.have.length(1 + 7 + 1);
  });
});
