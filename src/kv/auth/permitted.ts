import { type Accounts, type Permission, root } from './accounts.ts';

export type Access = 'READ' | 'WRITE';

/** `rangeEnd` empty: the one key; a zero byte: all keys from `key` on. */
export interface KeyRange {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

/** Half open; without an end it goes on for ever. */
interface Interval {
  readonly start: Buffer;
  readonly end: Buffer | undefined;
}

const zeroByte = Buffer.from([0]);

/** Whether a user has the root role. */
export const isAdmin = (accounts: Accounts, name: string): boolean =>
  accounts.users.get(name)?.roles.includes(root) === true;

/** Whether a user may do this to all of a range: permissions that touch each other count as one. */
export function isPermitted(accounts: Accounts, name: string, access: Access, range: KeyRange): boolean {
  const user = accounts.users.get(name);
  if (!user) return false;
  if (user.roles.includes(root)) return true;
  const granted = user.roles
    .flatMap((role) => accounts.roles.get(role) ?? [])
    .filter(({ permType }) => permType === access || permType === 'READWRITE')
    .map(intervalOf)
    .sort((a, b) => a.start.compare(b.start));
  const wanted = intervalOf(range);
  if (wanted.end !== undefined && wanted.end.compare(wanted.start) <= 0) return false;
  let from = wanted.start;
  for (const { start, end } of granted) {
    if (start.compare(from) > 0) return false;
    if (end === undefined) return true;
    if (end.compare(from) > 0) from = end;
    if (wanted.end !== undefined && from.compare(wanted.end) >= 0) return true;
  }
  return false;
}

function intervalOf({ key, rangeEnd }: KeyRange | Permission): Interval {
  if (rangeEnd.length === 0) return { start: key, end: Buffer.concat([key, zeroByte]) };
  return { start: key, end: rangeEnd.equals(zeroByte) ? undefined : rangeEnd };
}
