import { expect } from 'chai';
import fc from 'fast-check';
import { Frames } from '../../../src/kv/server/frames.ts';
import { timeoutMs } from '../../../src/kv/server/grpc-call.ts';

const frame = (message: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

describe('Frames', () => {
  it('finds the messages wherever the packets are cut', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 50 }), (sent, size) => {
        const bytes = Buffer.concat(sent.map((message) => frame(Buffer.from(message))));
        const frames = new Frames();
        const found: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += size) {
          frames.push(bytes.subarray(at, at + size));
          for (let next = frames.next(); next; next = frames.next()) found.push(Buffer.from(next));
        }
        expect(found).to.deep.equal(sent.map((message) => Buffer.from(message)));
      }),
    );
  });

  it('refuses a message that is too large before it is there', () => {
    const frames = new Frames();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(2 * 1024 * 1024 + 1, 1);
    frames.push(head);
    expect(() => frames.next()).to.throw('grpc: received message larger than max (2097153 vs. 2097152)');
  });

  it('refuses what is compressed', () => {
    const frames = new Frames();
    frames.push(Buffer.from([1, 0, 0, 0, 0]));
    expect(() => frames.next())
      .to.throw('compressed')
      .with.property('code', 'Unimplemented');
  });
});

describe('timeoutMs()', () => {
  it('reads the six units, and nothing else', () => {
    expect(['5S', '200m', '3M', '1H', '5000u', '1000000n'].map(timeoutMs)).to.deep.equal([
      5000, 200, 180_000, 3_600_000, 5, 1,
    ]);
    for (const text of ['', '5', 'S', '123456789S', '-1S', '1.5S']) expect(timeoutMs(text), text).to.equal(undefined);
  });
});
