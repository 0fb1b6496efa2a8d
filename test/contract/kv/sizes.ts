import { expect } from 'chai';
import type { Tested } from './tested.ts';

const kibibyte = 1024;
/** etcd's `--max-request-bytes`. */
const maxRequestBytes = 1536 * kibibyte;

/** What is too large, and what just fits. */
export function sizesBehaviour(t: Tested): void {
  it('takes a value of 1.5 MB and gives it back', async () => {
    const value = 'v'.repeat(1_500_000);
    await t.put('large', value);
    expect((await t.get('large'))?.['value']).to.equal(value);
    await t.delete('large');
  });

  it('refuses a request of more than 1.5 MiB, and goes on', async () => {
    const base = await t.revision();
    for (const bytes of [1_600_000, maxRequestBytes + kibibyte]) {
      await t.refused('InvalidArgument', 'etcdserver: request is too large', () => t.put('large', 'v'.repeat(bytes)));
    }
    await t.refused('InvalidArgument', 'etcdserver: request is too large', () =>
      t.ask('KV/Txn', {
        success: ['a', 'b'].map((name) => ({ request_put: { key: t.key(name), value: 'v'.repeat(800_000) } })),
      }),
    );
    expect(await t.put('small')).to.equal(base + 1);
  });

  it('refuses a message of more than 2 MiB before it reads it', async () => {
    // A key, a value and 512 KiB for everything else.
    const value = 'v'.repeat(maxRequestBytes + 600 * kibibyte);
    const error = await t.put('large', value).then(
      () => undefined,
      (reason: { code: number; message: string }) => reason,
    );
    expect(error?.code).to.equal(8);
    expect(error?.message).to.match(
      /^(grpc: )?(received message|trying to send message) larger than max \(\d+ vs\. \d+\)$/,
    );
    expect(await t.get('large')).to.equal(undefined);
  });

  it('answers a range of 6 MB in one message', async () => {
    const value = 'v'.repeat(100_000);
    for (let i = 0; i < 60; i++) await t.put(String(i), value);
    const { kvs } = await t.range();
    expect(kvs).to.have.length(60);
    await t.ask('KV/DeleteRange', t.all());
  });
}
