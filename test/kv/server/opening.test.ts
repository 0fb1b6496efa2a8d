import { expect } from 'chai';
import { mendAuthority } from '../../../src/kv/server/authority.ts';
import { greetingOf, Opening } from '../../../src/kv/server/opening.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const settings = Buffer.from('000000040000000000', 'hex');
const acknowledgement = Buffer.from('000000040100000000', 'hex');
const windowUpdate = Buffer.from('00000408000000000000010000', 'hex');
/** What Debian's etcdctl sends for `endpoint status`: `:method`, `:scheme`, `:path`, and an authority of 16 bytes. */
const beforeAuthority = '8386459760a924882d9dcb6571afa066a925a87510ac6e48d36a3f';
const authority = '41909d29aee30c044eae05c0b86e34e32cbb';
const mendedAuthority = '41909d29aee2eb844eae05c0b86e34e32cbb';

const headers = (blockHex: string, flags = 4): Buffer => {
  const block = Buffer.from(blockHex, 'hex');
  return Buffer.concat([Buffer.from([0, 0, block.length, 1, flags, 0, 0, 0, 1]), block]);
};
const start = Buffer.concat([preface, settings]);
const call = headers(beforeAuthority + authority);
const mendedCall = headers(beforeAuthority + mendedAuthority);

describe('Opening', () => {
  it('leaves what is no HTTP/2 to HTTP/1.1, at the first byte that differs', () => {
    const opening = new Opening();
    expect(opening.push(Buffer.from('P'))).to.deep.equal({ do: 'wait' });
    expect(opening.push(Buffer.from('UT /'))).to.deep.equal({ do: 'http1', received: Buffer.from('PUT /') });
  });

  it('does not greet a client that calls at once', () => {
    const received = Buffer.concat([start, windowUpdate, call]);
    const step = new Opening().push(received);
    expect(step).to.deep.equal({ do: 'http2', received: Buffer.concat([start, windowUpdate, mendedCall]) });
  });

  it('greets a client that waits for settings, and hides that they were acknowledged', () => {
    const opening = new Opening();
    expect(opening.push(start)).to.deep.equal({ do: 'greet' });
    expect(opening.push(Buffer.from(call))).to.deep.equal({ do: 'wait' });
    expect(opening.push(Buffer.concat([acknowledgement, windowUpdate]))).to.deep.equal({
      do: 'http2',
      received: Buffer.concat([start, mendedCall, windowUpdate]),
    });
  });

  it('finds the same wherever the packets are cut', () => {
    const sent = Buffer.concat([start, acknowledgement, windowUpdate, call]);
    for (let size = 1; size < sent.length; size++) {
      const opening = new Opening();
      let greeted = false;
      for (let at = 0; ; at += size) {
        const step = opening.push(Buffer.from(sent.subarray(at, at + size)));
        greeted ||= step.do === 'greet';
        if (step.do !== 'http2') continue;
        const kept = [start, ...(greeted ? [] : [acknowledgement]), windowUpdate, mendedCall];
        expect(step.received.toString('hex'), `pieces of ${size}`).to.equal(Buffer.concat(kept).toString('hex'));
        break;
      }
    }
  });

  it('does not keep a client waiting that has nothing to say yet, or says something else first', () => {
    const idle = new Opening();
    idle.push(start);
    expect(idle.hurry()).to.deep.equal({ do: 'wait' });
    expect(idle.push(acknowledgement)).to.deep.equal({ do: 'http2', received: start });
    const ping = Buffer.from('0000080600000000000102030405060708', 'hex');
    const pinging = new Opening();
    pinging.push(start);
    pinging.push(acknowledgement);
    expect(pinging.push(ping)).to.deep.equal({ do: 'http2', received: Buffer.concat([start, ping]) });
  });

  it('refuses a client that sends on and on instead of acknowledging', () => {
    const opening = new Opening();
    opening.push(start);
    expect(opening.push(Buffer.alloc(5 * 1024 * 1024, windowUpdate))).to.deep.equal({ do: 'refuse' });
  });

  it('greets with settings that are a frame', () => {
    expect(greetingOf({ maxConcurrentStreams: 5 }).toString('hex')).to.equal('000006040000000000000300000005');
  });
});

describe('mendAuthority()', () => {
  const mended = (hex: string): string => {
    const block = Buffer.from(hex, 'hex');
    mendAuthority(block);
    return block.toString('hex');
  };
  const plain = (text: string) => `41${Buffer.from([text.length]).toString('hex')}${Buffer.from(text).toString('hex')}`;

  it('takes the slashes out, of the same length, whether they are compressed or not', () => {
    expect(mended(beforeAuthority + authority)).to.equal(beforeAuthority + mendedAuthority);
    expect(mended(plain('http://a:1'))).to.equal(plain('http:..a:1'));
    expect(mended(plain('https://a:1'))).to.equal(plain('https:..a:1'));
  });

  it('leaves everything else as it is', () => {
    for (const block of ['', '41', '4190', '0f', 'ffffffffffffff', plain('a:1'), plain('http:/a'), plain('ftp://a')]) {
      expect(mended(block), block).to.equal(block);
    }
    const path = `44${Buffer.from([10]).toString('hex')}${Buffer.from('http://a:1').toString('hex')}`;
    expect(mended(path)).to.equal(path);
  });
});
