import { access, constants, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Assignment } from '../../../schema/assignment.ts';
import { impossible, type Readiness, ready } from '../runtime.ts';
import type { Programs } from './command-line.ts';

type Places = Pick<Programs, 'postgresql' | 'defaultVersion'>;

/** Where the programs of this major version are. */
export const binDirectory = ({ postgresql }: Places, version: string): string => join(postgresql, version, 'bin');

/** The major versions of PostgreSQL that are installed, the lowest first. */
export async function installedVersions(places: Places): Promise<string[]> {
  const names = await readdir(places.postgresql).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => /^\d{2}$/.test(name) && (await isInstalled(binDirectory(places, name)))),
  );
  return names.filter((_, at) => found[at]).sort();
}

const isInstalled = (bin: string): Promise<boolean> =>
  access(join(bin, 'postgres'), constants.X_OK).then(
    () => true,
    () => false,
  );

/** The major version that a node is to have: as ordered, or else that of its data, or else the cell's own. */
export async function versionFor(order: Assignment, data: string, places: Places): Promise<string> {
  return order.postgresql_version ?? (await versionOfData(data)) ?? places.defaultVersion;
}

/** Whether processes of this cell can be what the assignment orders, on the data that the node has. */
export async function processReadiness(order: Assignment, data: string, places: Places): Promise<Readiness> {
  if (order.container_image !== undefined) {
    return impossible(`this cell runs processes, and no containers of ${order.container_image}`);
  }
  const version = await versionFor(order, data, places);
  const bin = binDirectory(places, version);
  if (!(await isInstalled(bin)))
    return impossible(`PostgreSQL ${version} is not installed here: there is no ${bin}/postgres`);
  const present = await versionOfData(data);
  if (present === undefined || present === version) return ready;
  return impossible(`the data of the node are of PostgreSQL ${present}, and ${version} cannot use them`);
}

/**
 * The major version of a data directory, undefined when there are no data. It belongs to the node's user, who may be
 * anybody: what is no short plain file is not looked into.
 */
async function versionOfData(data: string): Promise<string | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(join(data, 'PG_VERSION'), flags).catch(() => undefined);
  try {
    if (!(await file?.stat())?.isFile()) return undefined;
    const { buffer, bytesRead } = await (file as NonNullable<typeof file>).read(Buffer.alloc(16), 0, 16, 0);
    return /^(\d{2})\n?$/.exec(buffer.toString('latin1', 0, bytesRead))?.[1];
  } finally {
    await file?.close();
  }
}
