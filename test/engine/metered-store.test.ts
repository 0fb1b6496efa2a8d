import { expect } from 'chai';
import { MeteredStore } from '../../src/engine/metered-store.ts';
import { Registry } from '../../src/engine/metrics.ts';
import { RequestMetrics } from '../../src/engine/request-metrics.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';

describe('MeteredStore', () => {
  it('counts what was asked and how it was answered, and changes nothing', async () => {
    const registry = new Registry();
    const memory = new MemoryStore({ clock: new FakeClock() });
    const store = new MeteredStore(memory, new RequestMetrics(registry), 'etcd:2379');
    await store.txn({ if: [], then: [{ type: 'put', key: '/a', value: 'x' }] });
    expect((await store.get('/a')).kv?.value).to.equal('x');
    memory.disconnect();
    expect(await store.get('/a').catch((error: unknown) => error)).to.have.property('code', 'unavailable');
    const text = await registry.metrics();
    for (const [code, method] of [
      ['OK', 'txn'],
      ['OK', 'get'],
      ['UNAVAILABLE', 'get'],
    ]) {
      expect(text).to.include(`rest_client_requests_total{code="${code}",method="${method}",host="etcd:2379"} 1\n`);
    }
  });
});
