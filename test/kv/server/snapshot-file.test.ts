import { expect } from 'chai';
import fc from 'fast-check';
import { framed, unframed } from '../../../src/kv/server/snapshot-file.ts';

async function* chunks(...all: readonly Buffer[]): AsyncIterable<Buffer> {
  yield* all;
}

const whole = async (stream: AsyncIterable<Buffer>): Promise<Buffer> => {
  const all: Buffer[] = [];
  for await (const chunk of stream) all.push(chunk);
  return Buffer.concat(all);
};

describe('framed() and unframed()', () => {
  it('give back what went in, however it is cut, in a length that etcdctl takes for a snapshot', async () => {
    const bytes = fc.uint8Array({ maxLength: 3000 });
    await fc.assert(
      fc.asyncProperty(bytes, bytes, fc.integer({ min: 1, max: 2000 }), async (one, two, size) => {
        const file = await whole(framed(chunks(Buffer.from(one), Buffer.from(two))));
        expect(file.length % 512).to.equal(32);
        const cut = Array.from({ length: Math.ceil(file.length / size) }, (_, at) =>
          file.subarray(at * size, (at + 1) * size),
        );
        expect(await whole(unframed(chunks(...cut)))).to.deep.equal(Buffer.concat([one, two]));
      }),
      { numRuns: 60 },
    );
  });

  it('refuse a file that is damaged, cut off, or no snapshot of ours', async () => {
    const file = await whole(framed(chunks(Buffer.alloc(1000, 7))));
    const damaged = Buffer.from(file);
    damaged[3] = 8;
    for (const [bytes, words] of [
      [damaged, 'damaged'],
      [file.subarray(0, 1000), 'not a snapshot'],
      [Buffer.alloc(0), 'not a snapshot'],
    ] as const) {
      const error = await whole(unframed(chunks(bytes))).catch((thrown: unknown) => thrown);
      expect(String(error)).to.include(words);
    }
  });
});
