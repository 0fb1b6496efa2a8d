import { expect } from 'chai';
import * as accounts from '../../../src/kv/auth/accounts.ts';

const made = (...changes: readonly accounts.Change[]): accounts.Accounts =>
  changes.reduce((now, change) => change(now), accounts.noAccounts);

const withRoot = [accounts.addUser('root', 'hash'), accounts.grantRole('root', 'root'), accounts.enable];
const permission = (key: string): accounts.Permission => ({
  permType: 'READ',
  key: Buffer.from(key),
  rangeEnd: Buffer.alloc(0),
});

describe('changes of accounts', () => {
  it('auth is enabled only with a root who can turn it off again', () => {
    expect(() => made(accounts.enable)).to.throw('etcdserver: root user does not exist');
    expect(() => made(accounts.addUser('root', 'hash'), accounts.enable)).to.throw('does not have root role');
    expect(made(...withRoot).enabled).to.equal(true);
  });

  it('root stays what he is while auth is on', () => {
    for (const change of [
      accounts.deleteUser('root'),
      accounts.revokeRole('root', 'root'),
      accounts.deleteRole('root'),
    ]) {
      expect(() => made(...withRoot, change)).to.throw('etcdserver: invalid auth management');
    }
    expect(made(...withRoot, accounts.disable, accounts.deleteUser('root')).users.size).to.equal(0);
  });

  it('every change makes the revision grow, and what changes nothing does not', () => {
    const before = made(...withRoot);
    expect(accounts.addRole('r')(before).revision).to.equal(before.revision + 1);
    expect(accounts.enable(before)).to.equal(before);
    expect(accounts.grantRole('root', 'root')(before)).to.equal(before);
  });

  it('a role that is deleted is taken from everybody', () => {
    const before = made(accounts.addUser('u', 'hash'), accounts.addRole('r'), accounts.grantRole('u', 'r'));
    expect(accounts.userOf(before, 'u').roles).to.deep.equal(['r']);
    expect(accounts.userOf(accounts.deleteRole('r')(before), 'u').roles).to.deep.equal([]);
  });

  it('a permission on the same range takes the place of the older one; they are in order of their keys', () => {
    const role = [permission('b'), permission('a'), { ...permission('b'), permType: 'WRITE' } as const];
    const now = made(accounts.addRole('r'), ...role.map((each) => accounts.grantPermission('r', each)));
    const shown = accounts.permissionsOf(now, 'r').map(({ permType, key }) => `${key} ${permType}`);
    expect(shown).to.deep.equal(['a READ', 'b WRITE']);
    expect(() => accounts.revokePermission('r', permission('c'))(now)).to.throw('permission is not granted');
  });

  it('tell whose tokens are worth nothing any more', () => {
    const users = [...withRoot, accounts.addUser('a', 'hash'), accounts.addUser('b', undefined), accounts.addRole('r')];
    const before = made(...users);
    const deposed = (...changes: readonly accounts.Change[]) =>
      accounts.deposed(
        before,
        changes.reduce((now, change) => change(now), before),
      );
    expect(deposed()).to.deep.equal([]);
    expect(deposed(accounts.grantRole('a', 'r'), accounts.addUser('c', 'hash'))).to.deep.equal([]);
    expect(deposed(accounts.changePassword('a', 'other'), accounts.deleteUser('b'))).to.deep.equal(['a']);
    expect(deposed(accounts.deleteUser('a'))).to.deep.equal(['a']);
    expect(deposed(accounts.disable)).to.equal('all');
  });
});
