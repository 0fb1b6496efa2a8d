import { expect } from 'chai';
import fc from 'fast-check';
import { FrameReader, frame } from '../../src/store/grpc-frame.ts';

describe('FrameReader', () => {
  it('gives back every message, whatever the pieces in which they arrive', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 })),
        fc.array(fc.integer({ min: 1, max: 30 })),
        (sent, cuts) => {
          let bytes: Buffer = Buffer.concat(sent.map((message) => frame(Buffer.from(message))));
          const reader = new FrameReader();
          const received: Buffer[] = [];
          for (const cut of [...cuts, bytes.length + 1]) {
            received.push(...reader.push(bytes.subarray(0, cut)));
            bytes = bytes.subarray(cut);
          }
          expect(received.map((message) => [...message])).to.deep.equal(sent.map((message) => [...message]));
        },
      ),
    );
  });

  it('tells the length of a message before it is here', () => {
    const reader = new FrameReader();
    reader.push(frame(Buffer.alloc(1000)).subarray(0, 10));
    expect(reader.expectedBytes).to.equal(1000);
  });
});
