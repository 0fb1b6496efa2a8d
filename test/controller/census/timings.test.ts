import { expect } from 'chai';
import { Timings } from '../../../src/controller/census/timings.ts';
import type { InstanceId } from '../../../src/schema/ids.ts';
import { leaderKey } from '../../../src/schema/patroni.ts';
import { settle } from '../../fixtures/fake-clock.ts';
import { WatchedWorld } from '../support/watched-world.ts';

const f1 = 'f1' as InstanceId;

describe('Timings', () => {
  let watched: WatchedWorld;
  let isLeading = true;

  beforeEach(async () => {
    isLeading = true;
    watched = new WatchedWorld();
    for (const [cell, zone] of Object.entries({ n1: 'z1', n2: 'z2', n3: 'z3' })) watched.world.cell(cell, zone);
    const { registry, informers, herd, clock } = watched;
    new Timings({ registry, informers, herd, clock, isLeading: () => isLeading });
    await watched.start();
  });
  afterEach(() => watched.stop());

  const taken = async (metric: string) => {
    const text = await watched.registry.getSingleMetricAsString(metric);
    const value = (name: string) => Number(new RegExp(`^${metric}_${name} (.+)$`, 'm').exec(text)?.[1]);
    return { count: value('count'), sum: value('sum') };
  };

  async function converge(): Promise<void> {
    watched.simulation.settle(['f1']);
    await settle();
  }

  it('takes the time from the last change of a document until the instance is Ready for it', async () => {
    watched.world.apply('f1', 'plan: standard');
    await settle();
    await watched.clock.advance(60_000);
    watched.world.apply('f1', { plan: 'standard', parameters: { 'node-count': 2 } });
    await settle();
    expect(await taken('pgherd_spec_to_ready_seconds')).to.deep.equal({ count: 0, sum: 0 });
    await watched.clock.advance(4_000);
    await converge();
    expect(await taken('pgherd_spec_to_ready_seconds')).to.deep.equal({ count: 1, sum: 4 });
  });

  it('takes the time from a leader that went until a router leads to the next', async () => {
    watched.world.apply('f1', 'plan: standard');
    await converge();
    expect(await taken('pgherd_failover_gap_seconds')).to.deep.equal({ count: 0, sum: 0 });
    const leader = watched.world.text(leaderKey(f1));
    watched.world.delete(leaderKey(f1));
    await settle();
    await watched.clock.advance(2_000);
    watched.world.put(leaderKey(f1), leader);
    await settle();
    await watched.clock.advance(500);
    expect(await taken('pgherd_failover_gap_seconds')).to.deep.equal({ count: 0, sum: 0 });
    watched.simulation.stepRouter();
    await settle();
    expect(await taken('pgherd_failover_gap_seconds')).to.deep.equal({ count: 1, sum: 2.5 });
  });

  it('counts nothing on a standby, and no gap for an instance that is deleted', async () => {
    watched.world.apply('f1', 'plan: standard');
    isLeading = false;
    await converge();
    isLeading = true;
    watched.world.delete('/serviceinstances/f1');
    await converge();
    watched.world.apply('f1', 'plan: standard');
    await converge();
    expect((await taken('pgherd_spec_to_ready_seconds')).count).to.equal(1);
    expect((await taken('pgherd_failover_gap_seconds')).count).to.equal(0);
  });
});
