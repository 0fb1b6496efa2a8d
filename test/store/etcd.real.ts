import { expect } from 'chai';
import { Etcd3 } from 'etcd3';
import { EtcdStore } from '../../src/store/etcd.ts';
import { storeContract } from '../contract/store.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';

describe('EtcdStore', () => {
  let etcd: EtcdProcess;
  const stores: EtcdStore[] = [];

  const open = (root = '') => {
    const store = new EtcdStore({ endpoints: [etcd.endpoint], root });
    stores.push(store);
    return store;
  };

  before(async () => {
    etcd = await startEtcd();
  });
  after(async () => {
    for (const store of stores) await store.close();
    await etcd.stop();
  });

  storeContract(async () => ({
    store: open('/a/root'),
    other: open('/a/root'),
    compact: async (revision) => {
      const client = new Etcd3({ hosts: etcd.endpoint });
      await client.kv.compact({ revision: String(revision) });
      client.close();
    },
    pass: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
  }));

  it('keeps its keys below its root, and sees nothing else', async () => {
    const rooted = open('/herd');
    const plain = open();
    await rooted.txn({ if: [], then: [{ type: 'put', key: '/routing/nextport', value: '30000' }] });
    expect((await plain.get('/herd/routing/nextport')).kv?.value).to.equal('30000');
    const { kvs } = await rooted.list({ start: '/', end: '0' });
    expect(kvs.map((kv) => kv.key)).to.deep.equal(['/routing/nextport']);
  });

  it('reads a value that is not UTF-8 with U+FFFD in the place of what is wrong', async () => {
    const client = new Etcd3({ hosts: etcd.endpoint });
    await client.put('/binary').value(Buffer.from([0x61, 0xff, 0x62]));
    client.close();
    expect((await open().get('/binary')).kv?.value).to.equal('a\u{FFFD}b');
  });

  it('takes endpoints without a scheme, and refuses those that cannot work without repeating them', () => {
    stores.push(new EtcdStore({ endpoints: [`${etcd.host}:${etcd.port}/`] }));
    for (const endpoint of ['http://user:secret@host:2379', 'ftp://secret', 'http://secret/path']) {
      expect(() => new EtcdStore({ endpoints: [endpoint] }))
        .to.throw('not of the form http://host:port')
        .that.has.property('code', 'invalid');
    }
  });
});
