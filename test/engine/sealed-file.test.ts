import { expect } from 'chai';
import fc from 'fast-check';
import { SealError, seal, unseal } from '../../src/engine/sealed-file.ts';

const secret = Buffer.from('a secret of a good many characters');

describe('seal()', () => {
  it('gives back what was put in, and shows nothing of it', () => {
    const sealed = seal('postgres:hunter2', secret);
    expect(unseal(sealed, secret)).to.equal('postgres:hunter2');
    expect(sealed.toString('latin1')).to.not.include('hunter2');
  });

  it('refuses another key, a short key, another file and a newer version', () => {
    const sealed = seal('x', secret);
    expect(() => unseal(sealed, Buffer.from('another secret, as long as it'))).to.throw(SealError, 'another key');
    expect(() => seal('x', Buffer.from('short'))).to.throw(SealError, 'fewer than 16');
    expect(() => unseal(Buffer.from('PK\u0003\u0004 a zip file\n'), secret)).to.throw(SealError, 'not a snapshot');
    expect(() => unseal(Buffer.from('PGHERD-SNAPSHOT {"version":2}\n'), secret)).to.throw(SealError, 'of version 2');
    expect(() => unseal(Buffer.alloc(0), secret)).to.throw(SealError, 'not a snapshot');
  });

  it('finds whatever byte was changed or cut off', () => {
    const sealed = seal('documents, credentials, routing', secret);
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, change, cut) => {
        const damaged = cut ? sealed.subarray(0, at) : Buffer.from(sealed);
        if (!cut) damaged[at] = (damaged[at] as number) ^ change;
        expect(() => unseal(damaged, secret)).to.throw(SealError);
      }),
      // The last letter of the tag, of which four bits mean nothing; a cut in the first line; one after it.
      {
        numRuns: 8,
        examples: [
          [sealed.indexOf('\n') - 5, 1, false],
          [40, 1, true],
          [sealed.length - 1, 1, true],
        ],
      },
    );
  });
});
