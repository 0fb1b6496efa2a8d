import { Command, CommanderError } from 'commander';
import { StoreError } from '../store/store-error.ts';
import { commands } from './commands.ts';
import { exitCodes, Failure, inOneLine, ProgramEnded } from './failure.ts';
import { addGlobalOptions } from './global-options.ts';
import { version } from './version.ts';
import { Interrupted, type World } from './world.ts';

/** Runs one command line and says how it ended. */
export async function runProgram(argv: readonly string[], world: World): Promise<number> {
  try {
    await createProgram(world).parseAsync(argv, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (error instanceof ProgramEnded) return error.exitCode;
    if (error instanceof Interrupted) return exitCodes.interrupted;
    world.stderr.write(`pgherd: ${inOneLine(error)}${nextStep(error)}\n`);
    return error instanceof Failure ? error.exitCode : exitCodes.failed;
  }
}

/** The whole tree of commands. */
export function createProgram(world: World): Command {
  const program = new Command('pgherd')
    .description('A control plane for herds of highly available PostgreSQL clusters on machines you already have.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      outputError: (text, write) => write(`pgherd: ${oneLine(text)}; add --help to see how it is used\n`),
    })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', epilogue);
  addGlobalOptions(program);
  for (const register of commands) register(program, world);
  return program;
}

const epilogue = `
Exit codes: 0 done, 1 failed, 2 called wrongly, 3 timeout while waiting, 130 interrupted.

Examples:
  $ pgherd up                          the whole herd on this machine
  $ export PGHERD_ETCD=http://127.0.0.1:2379
  $ pgherd apply -f instances.yaml     create or change instances
  $ pgherd get instances               what there is
  $ pgherd psql example                open a session with the leader
`;

const oneLine = (text: string): string =>
  text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ');

/** What an operator can do about a store that refused. */
function nextStep(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (!(at instanceof StoreError)) continue;
    if (at.code === 'unauthenticated') return '; check --etcd-user and PGHERD_ETCD_PASSWORD';
    if (at.code === 'permission-denied') return '; grant the user of --etcd-user access to the keys of the herd';
    if (at.code === 'no-space') return '; free space: compact, defragment, then `etcdctl alarm disarm`';
  }
  return '';
}
