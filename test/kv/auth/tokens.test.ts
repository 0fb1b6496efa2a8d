import { generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import { JwtTokens, publicHalf } from '../../../src/kv/auth/jwt.ts';
import { hashPassword, isPassword } from '../../../src/kv/auth/password.ts';
import { SimpleTokens } from '../../../src/kv/auth/simple-tokens.ts';
import { FakeClock } from '../../fixtures/fake-clock.ts';

describe('SimpleTokens', () => {
  it('are good until they were not used for five minutes', async () => {
    const clock = new FakeClock();
    const tokens = new SimpleTokens(clock);
    const token = tokens.issue('u');
    for (let i = 0; i < 3; i++) {
      await clock.advance(299_000);
      expect(tokens.bearer(token)?.user).to.equal('u');
    }
    await clock.advance(300_000);
    expect(tokens.bearer(token)).to.equal(undefined);
  });

  it('never repeat, and end with their user', () => {
    const tokens = new SimpleTokens(new FakeClock());
    const [one, two] = [tokens.issue('u'), tokens.issue('u')];
    const other = tokens.issue('v');
    expect(one).to.match(/^[A-Za-z]{22}\.1$/);
    expect(one).to.not.equal(two);
    tokens.forget('u');
    expect([one, two, other].map((token) => tokens.bearer(token)?.user)).to.deep.equal([undefined, undefined, 'v']);
    tokens.forgetAll();
    expect(tokens.bearer(other)).to.equal(undefined);
  });
});

describe('JwtTokens', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = {
    HS256: { method: 'HS256', secret: Buffer.from('a secret') },
    RS256: { method: 'RS256', privateKey, publicKey: publicHalf(privateKey) },
  } as const;

  for (const [method, key] of Object.entries(keys)) {
    it(`${method}: say who and of which revision, until they end`, async () => {
      const clock = new FakeClock();
      const tokens = new JwtTokens(key, 60, clock);
      const token = tokens.issue('u', 7);
      expect(tokens.bearer(token)).to.deep.equal({ user: 'u', revision: 7 });
      await clock.advance(61_000);
      expect(tokens.bearer(token)).to.equal(undefined);
    });

    it(`${method}: are refused when a letter of them was changed`, () => {
      const tokens = new JwtTokens(key, 60, new FakeClock());
      const [head = '', body = '', signature = ''] = tokens.issue('u', 7).split('.');
      const forged = Buffer.from(JSON.stringify({ exp: 9e12, revision: 7, username: 'root' })).toString('base64url');
      const none = Buffer.from('{"alg":"none"}').toString('base64url');
      for (const token of [`${head}.${forged}.${signature}`, `${none}.${body}.`, `${head}.${body}`, '', 'a.b.c.d']) {
        expect(tokens.bearer(token), token).to.equal(undefined);
      }
    });
  }

  it('signed with a public key as if it were a secret are refused', () => {
    const clock = new FakeClock();
    const pem = keys.RS256.publicKey.export({ type: 'spki', format: 'pem' });
    const forged = new JwtTokens({ method: 'HS256', secret: Buffer.from(pem) }, 60, clock).issue('root', 1);
    expect(new JwtTokens(keys.RS256, 60, clock).bearer(forged)).to.equal(undefined);
  });
});

describe('hashPassword()', () => {
  it('keeps what only the password fits to, differently each time', async () => {
    const [one, two] = await Promise.all([hashPassword('pw'), hashPassword('pw')]);
    expect(one).to.not.equal(two);
    expect(await isPassword('pw', one)).to.equal(true);
    expect(await isPassword('pW', one)).to.equal(false);
  });
});
