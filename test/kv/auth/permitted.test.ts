import { expect } from 'chai';
import fc from 'fast-check';
import { type Accounts, noAccounts, type Permission } from '../../../src/kv/auth/accounts.ts';
import { isAdmin, isPermitted, type KeyRange } from '../../../src/kv/auth/permitted.ts';

const range = (key: string, rangeEnd = ''): KeyRange => ({ key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd) });
const may = (permType: Permission['permType'], key: string, rangeEnd = ''): Permission => ({
  permType,
  ...range(key, rangeEnd),
});

const accountsWith = (...permissions: readonly Permission[]): Accounts => ({
  ...noAccounts,
  enabled: true,
  users: new Map([
    ['u', { passwordHash: undefined, roles: ['r'] }],
    ['admin', { passwordHash: undefined, roles: ['root'] }],
  ]),
  roles: new Map([['r', permissions]]),
});

describe('isPermitted()', () => {
  const accounts = accountsWith(
    may('READ', 'a', 'f'),
    may('READ', 'f', 'h'),
    may('WRITE', 'c', 'd'),
    may('READWRITE', 'single'),
    may('READ', 'x', '\0'),
  );
  const cases: readonly (readonly [KeyRange, 'READ' | 'WRITE', boolean])[] = [
    [range('a'), 'READ', true],
    [range('a'), 'WRITE', false],
    [range('a', 'h'), 'READ', true],
    [range('a', 'h\0'), 'READ', false],
    [range('a', '\0'), 'READ', false],
    [range('h'), 'READ', false],
    [range('c'), 'WRITE', true],
    [range('c', 'd'), 'WRITE', true],
    [range('c', 'd'), 'READ', true],
    [range('single'), 'WRITE', true],
    [range('single\0'), 'WRITE', false],
    [range('xyz'), 'READ', true],
    [range('x', '\0'), 'READ', true],
    [range('w', '\0'), 'READ', false],
    [range('f', 'b'), 'READ', false],
  ];
  for (const [wanted, access, expected] of cases) {
    const end = wanted.rangeEnd.length > 0 ? ` to ${JSON.stringify(wanted.rangeEnd.toString())}` : '';
    it(`${expected ? 'grants' : 'denies'} ${access} of ${JSON.stringify(wanted.key.toString())}${end}`, () => {
      expect(isPermitted(accounts, 'u', access, wanted)).to.equal(expected);
    });
  }

  it('lets who has the role root do everything, and who is not there nothing', () => {
    expect(isPermitted(accounts, 'admin', 'WRITE', range('', '\0'))).to.equal(true);
    expect(isPermitted(accounts, 'nobody', 'READ', range('a'))).to.equal(false);
    expect(isAdmin(accounts, 'admin')).to.equal(true);
    expect(isAdmin(accounts, 'u')).to.equal(false);
  });

  it('grants a range exactly when it grants every key of it', () => {
    const letter = fc.constantFrom(...'abcdefg');
    const permission = fc.tuple(letter, fc.option(letter, { nil: undefined }));
    fc.assert(
      fc.property(fc.array(permission, { maxLength: 5 }), letter, letter, (granted, first, last) => {
        const some = accountsWith(...granted.map(([key, end]) => may('READ', key, end ?? '')));
        // Only keys of one letter and one zero byte behind some of them can lie between these borders.
        const keys = [...'abcdefg'].flatMap((each) => [each, `${each}\0`, `${each}z`]);
        const inside = keys.filter((key) => key >= first && key < last);
        const all = inside.length > 0 && inside.every((key) => isPermitted(some, 'u', 'READ', range(key)));
        expect(isPermitted(some, 'u', 'READ', range(first, last))).to.equal(all);
      }),
    );
  });
});
