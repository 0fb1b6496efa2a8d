import { expect } from 'chai';
import { settle } from '../fixtures/fake-clock.ts';
import { pgherd, testWorld } from '../fixtures/world.ts';

describe('pgherd registry', () => {
  it('publishes until Ctrl-C, and what is published can be listed', async () => {
    const publisher = testWorld({ stdin: 'from a pipe' });
    const published = pgherd(publisher, 'registry publish /apps BAW/one - --group baw');
    while (publisher.keyspace.revision < 3n) await settle();
    const reader = { ...testWorld(), connect: publisher.connect };
    expect(await pgherd(reader, 'registry list /apps')).to.include({ code: 0, out: 'BAW/one\tfrom a pipe\n' });
    publisher.interrupt();
    expect(await published).to.include({ code: 0 });
    expect(await pgherd(reader, 'registry list /apps/')).to.include({ code: 0, out: '' });
  });

  it('says what is wrong with how it was called', async () => {
    for (const [args, words] of [
      ['list apps', 'is no namespace'],
      ['publish /apps a b --ttl 1s', '--ttl: a duration of at least 2s'],
      ['publish /apps a b --group x/y', '--group: a name without a slash'],
    ] as const) {
      const { code, err } = await pgherd(testWorld(), `registry ${args}`);
      expect([code, err]).to.satisfy(([c, e]: [number, string]) => c === 2 && e.includes(words), err);
    }
  });
});
