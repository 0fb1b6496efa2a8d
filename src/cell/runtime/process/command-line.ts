import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

/** Who runs the databases: never root. */
export interface NodeUser {
  readonly uid: number;
  readonly gid: number;
  /** The account to change to; undefined when the agent is not root and runs nodes as itself. */
  readonly switchTo?: string;
}

/** The user for nodes: `postgres` when the agent is root, else the agent's own. */
export function nodeUser(): NodeUser {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (uid !== 0) return { uid, gid };
  try {
    const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }));
    return { uid: id('-u'), gid: id('-g'), switchTo: 'postgres' };
  } catch (cause) {
    throw new Error('there is no user postgres to run databases as: install postgresql-15', { cause });
  }
}

/** Rejects when the user cannot get to the directory: a parent of it is closed to him. */
export async function checkReach(directory: string, user: NodeUser): Promise<void> {
  if (!user.switchTo) return;
  try {
    await run('setpriv', [...dropTo(user), 'test', '-x', directory]);
  } catch (cause) {
    throw new Error(`user ${user.switchTo} cannot enter ${directory}: open its parents (chmod o+x)`, { cause });
  }
}

const run = promisify(execFile);

const dropTo = ({ switchTo, gid }: NodeUser) => [`--reuid=${switchTo}`, `--regid=${gid}`, '--init-groups'];

/** Programs that a node is started with. */
export interface Programs {
  readonly python: string;
  readonly patroni: string;
  /** Below it, `<version>/bin` for each major version of PostgreSQL. */
  readonly postgresql: string;
  /** What nodes have that name none. */
  readonly defaultVersion: string;
}

/** Where Debian has them. */
export const debianPrograms: Programs = {
  python: '/usr/bin/python3',
  patroni: '/usr/bin/patroni',
  postgresql: '/usr/lib/postgresql',
  defaultVersion: '15',
};

/** What flock exits with when the lock is held: the node runs already. */
export const alreadyRunningExitCode = 99;

/**
 * The command that runs one node's Patroni, outermost word first. flock makes a second run of the node impossible, even
 * for an agent that has lost its memory: the lock is inherited and held as long as one of the wrappers lives. unshare
 * gives the run a PID namespace of its own, which dies with its first process, which dies with unshare. setpriv drops
 * root; the change of user clears the signal that `--kill-child` asked for, so it is asked for again.
 */
export function nodeCommand(
  user: NodeUser,
  programs: Programs,
  paths: { readonly lock: string; readonly config: string },
): readonly [string, ...string[]] {
  const namespace = ['--pid', '--fork', '--kill-child', '--mount-proc'];
  const identity = user.switchTo ? ['setpriv', ...dropTo(user), '--pdeathsig', 'KILL'] : [];
  return [
    'flock',
    '--nonblock',
    '--no-fork',
    '--conflict-exit-code',
    String(alreadyRunningExitCode),
    paths.lock,
    'unshare',
    // Without root only a user namespace gives the right to make the others.
    ...(user.switchTo ? namespace : ['--user', '--map-current-user', ...namespace]),
    ...identity,
    programs.python,
    '-u',
    programs.patroni,
    paths.config,
  ];
}
