import { expect } from 'chai';
import type { KvServer } from '../kv-behaviour.ts';
import type { Tested } from './tested.ts';

/** What is asked of the server itself. */
export function clusterBehaviour(t: Tested, server: () => KvServer): void {
  it('every answer names the same cluster and member', async () => {
    const { header } = await t.client.call('KV/Range', { key: 'a' });
    expect(header.cluster_id).to.match(/^\d+$/).and.not.equal('0');
    expect(header.member_id).to.match(/^\d+$/).and.not.equal('0');
    expect(Number(header.raft_term)).to.be.greaterThan(0);
    const { header: ofPut } = await t.client.call('KV/Put', { key: t.key('a') });
    expect(ofPut).to.deep.include({ cluster_id: header.cluster_id, member_id: header.member_id });
    const { header: ofGrant } = await t.client.call('Lease/LeaseGrant', { TTL: '2' });
    expect(ofGrant).to.deep.include({ cluster_id: header.cluster_id, member_id: header.member_id });
  });

  it('lists itself as the only member, reachable where we reach it, with a header without revision', async () => {
    const { header, members } = await t.client.call('Cluster/MemberList');
    expect(header).to.not.have.property('revision');
    expect(members).to.have.length(1);
    expect(members[0].clientURLs).to.deep.equal([server().endpoint]);
    expect(members[0].ID).to.equal(header.member_id);
    expect(members[0].name).to.be.a('string').and.not.equal('');
  });

  it('tells its status', async () => {
    await t.put('a');
    const status = await t.client.call('Maintenance/Status');
    expect(status['version']).to.match(/^3\.\d+\.\d+$/);
    expect(Number(status['dbSize'])).to.be.greaterThan(0);
    expect(status['leader']).to.equal(status['header'].member_id);
    expect(Number(status['raftIndex'])).to.be.greaterThan(0);
    expect(status['errors']).to.equal(undefined);
  });

  it('has no alarms, and answers about them without a header', async () => {
    expect(await t.ask('Maintenance/Alarm', { action: 'GET' })).to.deep.equal({});
    expect(await t.ask('Maintenance/Alarm', { action: 'DEACTIVATE', alarm: 'NOSPACE' })).to.deep.equal({});
  });

  describe('with an alarm that was raised by hand', () => {
    const alarm = { alarms: [{ alarm: 'NOSPACE' }] };
    const full = 'etcdserver: mvcc: database space exceeded';
    beforeEach(async () => {
      expect(await t.ask('Maintenance/Alarm', { action: 'ACTIVATE', alarm: 'NOSPACE' })).to.deep.equal(alarm);
    });
    // Whatever happened: everything after it needs to write.
    afterEach(async () => {
      const { alarms = [] } = await t.client.call('Maintenance/Alarm', { action: 'GET' });
      for (const each of alarms) await t.client.call('Maintenance/Alarm', { action: 'DEACTIVATE', ...each });
    });

    it('lists it and counts it as an error', async () => {
      expect(await t.ask('Maintenance/Alarm', { action: 'GET' })).to.deep.equal(alarm);
      expect(await t.ask('Maintenance/Alarm', { action: 'GET', alarm: 'NOSPACE' })).to.deep.equal(alarm);
      expect((await t.ask('Maintenance/Status'))['errors']).to.have.length(1);
    });

    it('refuses what needs space, answers and deletes', async () => {
      await t.refused('ResourceExhausted', full, () => t.put('a'));
      await t.refused('ResourceExhausted', full, () =>
        t.ask('KV/Txn', { success: [{ request_put: { key: t.key('a') } }] }),
      );
      await t.refused('ResourceExhausted', full, () => t.grant(10));
      expect(await t.range()).to.not.have.property('kvs');
      await t.ask('KV/DeleteRange', t.all());
    });

    it('is as before once it was disarmed', async () => {
      expect(await t.ask('Maintenance/Alarm', { action: 'DEACTIVATE', alarm: 'NOSPACE' })).to.deep.equal(alarm);
      expect(await t.ask('Maintenance/Alarm', { action: 'GET' })).to.deep.equal({});
      await t.put('a');
    });
  });

  it('defragments without changing anything', async () => {
    const base = await t.put('a', '1');
    await t.ask('Maintenance/Defragment');
    expect(await t.get('a')).to.deep.equal(t.kv('a', '1', base, base, 1));
  });

  it('hashes the same keys the same, others differently', async () => {
    const hash = async () => (await t.ask('Maintenance/HashKV'))['hash'];
    await t.put('a', '1');
    const first = await hash();
    expect(await hash()).to.equal(first);
    await t.put('a', '1');
    expect(await hash()).to.not.equal(first);
  });

  it('gives out a snapshot as a stream', async () => {
    const stream = t.client.open('Maintenance/Snapshot', {});
    stream.endSending();
    let bytes = 0;
    let remaining: string | undefined;
    for (;;) {
      const part = await stream.next();
      if (!part) break;
      bytes += part['blob'].length;
      remaining = part['remaining_bytes'];
    }
    expect(bytes).to.be.greaterThan(0);
    expect(remaining).to.equal(undefined);
  });

  if (t.manyPerStream) {
    it('refuses what it does not know', async () => {
      for (const path of ['/etcdserverpb.KV/Nothing', '/nothing.Nothing/Nothing']) {
        const { client } = t;
        if (!('raw' in client)) throw new Error('not gRPC');
        const stream = (client as { raw(path: string): import('node:http2').ClientHttp2Stream }).raw(path);
        const status = new Promise((resolve) => {
          stream.once('response', (headers) => resolve(headers['grpc-status']));
          stream.once('error', resolve);
        });
        stream.end();
        expect(await status).to.equal('12');
        stream.destroy();
      }
    });
  }
}
