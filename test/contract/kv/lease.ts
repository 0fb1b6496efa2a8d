import { expect } from 'chai';
import type { Tested } from './tested.ts';

/** Leases. */
export function leaseBehaviour(t: Tested): void {
  const notFound = 'etcdserver: requested lease not found';
  const timeToLive = (ID: string, keys = false) => t.ask('Lease/LeaseTimeToLive', { ID, keys });
  const revoke = (ID: string) => t.ask('Lease/LeaseRevoke', { ID });

  it('grant() answers the id and the granted time, and takes no revision', async () => {
    const revision = String(await t.revision());
    const { ID, ...rest } = await t.ask('Lease/LeaseGrant', { TTL: '100' });
    expect(rest).to.deep.equal({ header: { revision }, TTL: '100' });
    expect(BigInt(ID) > 0n).to.equal(true);
    await revoke(ID);
  });

  it('grant() takes an id of the client’s, once', async () => {
    const ID = t.manyPerStream ? '4712' : '4713';
    const revision = String(await t.revision());
    expect(await t.ask('Lease/LeaseGrant', { TTL: '100', ID })).to.deep.equal({ header: { revision }, ID, TTL: '100' });
    await t.refused('FailedPrecondition', 'etcdserver: lease already exists', () =>
      t.ask('Lease/LeaseGrant', { TTL: '100', ID }),
    );
    await revoke(ID);
    await t.ask('Lease/LeaseGrant', { TTL: '100', ID });
    await revoke(ID);
  });

  it('grant() refuses more than 9,000,000,000 seconds and raises less than 2 to it', async () => {
    await t.refused('OutOfRange', 'etcdserver: too large lease TTL', () =>
      t.ask('Lease/LeaseGrant', { TTL: '9000000001' }),
    );
    const most = await t.ask('Lease/LeaseGrant', { TTL: '9000000000' });
    expect(most['TTL']).to.equal('9000000000');
    await revoke(most['ID']);
    for (const TTL of ['0', '-1', '1']) {
      const { ID, TTL: granted } = await t.ask('Lease/LeaseGrant', { TTL });
      expect(granted).to.equal('2');
      await revoke(ID);
    }
  });

  it('revoke() deletes all its keys in one revision, in key order', async () => {
    const lease = await t.grant(100);
    const other = await t.grant(100);
    for (const name of ['c', 'a', 'd', 'b']) await t.put(name, '', { lease });
    await t.put('d', '', { lease: other });
    const base = await t.put('e');
    const watch = await t.watch();
    expect(await revoke(lease)).to.deep.equal({ header: { revision: String(base + 1) } });
    expect(watch.short(await watch.next(), base)).to.deep.equal(['-a@1', '-b@1', '-c@1']);
    expect(await t.names()).to.deep.equal(['d', 'e']);
    await t.refused('NotFound', notFound, () => revoke(lease));
    await revoke(other);
  });

  it('revoke() of a lease without keys takes no revision', async () => {
    const base = await t.revision();
    const ID = await t.grant(100);
    expect(await revoke(ID)).to.deep.equal({ header: { revision: String(base) } });
  });

  it('a put without the lease takes the key off it, another lease takes it over', async () => {
    const lease = await t.grant(100);
    const other = await t.grant(100);
    await t.put('a', '', { lease });
    await t.put('b', '', { lease });
    await t.put('c', '', { lease });
    await t.put('a', 'mine');
    await t.put('b', '', { lease: other });
    expect((await timeToLive(lease, true))['keys']).to.deep.equal([t.key('c')]);
    expect((await timeToLive(other, true))['keys']).to.deep.equal([t.key('b')]);
    await revoke(lease);
    expect(await t.names()).to.deep.equal(['a', 'b']);
    await revoke(other);
    expect(await t.names()).to.deep.equal(['a']);
  });

  it('a deleted key is off its lease', async () => {
    const lease = await t.grant(100);
    await t.put('a', '', { lease });
    await t.delete('a');
    expect(await timeToLive(lease, true)).to.not.have.property('keys');
    await t.put('a', 'mine');
    await revoke(lease);
    expect(await t.names()).to.deep.equal(['a']);
  });

  it('timeToLive() answers the time that is left, and the keys when asked', async () => {
    const revision = String(await t.revision());
    const lease = await t.grant(100);
    const { TTL, ...rest } = await timeToLive(lease);
    expect(rest).to.deep.equal({ header: { revision }, ID: lease, grantedTTL: '100' });
    expect(Number(TTL)).to.be.within(90, 100);
    await t.put('a', '', { lease });
    await t.put('b', '', { lease });
    const { keys } = await timeToLive(lease, true);
    expect(keys.sort()).to.deep.equal([t.key('a'), t.key('b')]);
    await revoke(lease);
  });

  it('timeToLive() of an unknown lease is -1', async () => {
    const revision = String(await t.revision());
    expect(await timeToLive('4711')).to.deep.equal({ header: { revision }, ID: '4711', TTL: '-1' });
    expect(await timeToLive('4711', true)).to.deep.equal({ header: { revision }, ID: '4711', TTL: '-1' });
  });

  it('leases() lists them', async () => {
    const mine = [await t.grant(100), await t.grant(100)];
    const { leases } = await t.ask('Lease/LeaseLeases');
    expect(leases.map(({ ID }: { ID: string }) => ID)).to.include.members(mine);
    for (const lease of mine) await revoke(lease);
    const { leases: left = [] } = await t.ask('Lease/LeaseLeases');
    expect(left.map(({ ID }: { ID: string }) => ID)).to.not.include.members(mine);
  });

  it('keepAlive() answers the granted time, and none for an unknown lease', async () => {
    const lease = await t.grant(100);
    const revision = String(await t.revision());
    expect(await t.ask('Lease/LeaseKeepAlive', { ID: lease })).to.deep.equal({
      header: { revision },
      ID: lease,
      TTL: '100',
    });
    expect(await t.ask('Lease/LeaseKeepAlive', { ID: '4711' })).to.deep.equal({ header: { revision }, ID: '4711' });
    await revoke(lease);
    expect(await t.ask('Lease/LeaseKeepAlive', { ID: lease })).to.deep.equal({ header: { revision }, ID: lease });
  });

  if (t.manyPerStream) {
    it('an expired lease deletes its keys in one revision, and is gone', async () => {
      const lease = await t.grant(2);
      await t.put('b', '', { lease });
      const base = await t.put('a', '', { lease });
      const watch = await t.watch();
      expect(watch.short(await watch.next(), base)).to.deep.equal(['-a@1', '-b@1']);
      expect(await timeToLive(lease)).to.deep.include({ TTL: '-1' });
      await t.refused('NotFound', notFound, () => t.put('a', '', { lease }));
      await t.refused('NotFound', notFound, () => revoke(lease));
    });

    it('keepAlive() answers any number of leases on one stream, unknown ones too', async () => {
      const mine = [await t.grant(100), await t.grant(200)];
      const stream = t.client.open('Lease/LeaseKeepAlive', { ID: mine[0] as string });
      const answers = [await stream.next()];
      for (const ID of ['4711', mine[1] as string, mine[0] as string]) {
        stream.send({ ID });
        answers.push(await stream.next());
      }
      expect(answers.map((answer) => [answer?.['ID'], answer?.['TTL']])).to.deep.equal([
        [mine[0], '100'],
        ['4711', undefined],
        [mine[1], '200'],
        [mine[0], '100'],
      ]);
      stream.endSending();
      expect(await stream.next()).to.equal(undefined);
      for (const ID of mine) await revoke(ID);
    });

    it('keepAlive() keeps a lease beyond its time', async () => {
      const lease = await t.grant(2);
      await t.put('kept', '', { lease });
      const witness = await t.grant(2);
      await t.put('witness', '', { lease: witness });
      const watch = await t.watch();
      const stream = t.client.open('Lease/LeaseKeepAlive', { ID: lease });
      const renewing = setInterval(() => stream.send({ ID: lease }), 200);
      try {
        expect(watch.short(await watch.next(), 0)[0]).to.match(/^-witness@/);
        expect(await t.names()).to.deep.equal(['kept']);
      } finally {
        clearInterval(renewing);
        stream.close();
      }
      await revoke(lease);
    });
  }
}
