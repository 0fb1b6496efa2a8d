import { type ChildProcess, spawn } from 'node:child_process';
import { type AccountOptions, accountOption, credentialOf } from '../account.ts';
import { exitCodes, Failure, ProgramEnded } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { readState } from '../instance.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import { Interrupted } from '../world.ts';

/** `pgherd psql ID`: a session with an instance. */
export const psql: Register = (program, world) => {
  program
    .command('psql')
    .description('open psql on an instance')
    .argument('<id>', 'the instance')
    .argument('[args...]', 'for psql itself, after --')
    .addOption(accountOption())
    .option('--read-only', 'through the endpoint that leads to replicas')
    .addHelpText(
      'after',
      `
Ends as psql does.

Examples:
  $ pgherd psql example
  $ pgherd psql example -- -c 'select pg_is_in_recovery()'
  $ pgherd psql example --user superuser --read-only`,
    )
    .action(async (idText: string, args: readonly string[], _, command) => {
      const options = optionsOf<AccountOptions>(command);
      const id = instanceIdOf(idText);
      const state = await withStore(world, options, (store, signal) => readState(store, id, signal));
      const { username, password, host, port, database } = credentialOf(state, options);
      // In the environment, not in the arguments, which everybody on the machine can read.
      const connection = { PGHOST: host, PGPORT: port, PGUSER: username, PGPASSWORD: password, PGDATABASE: database };
      const child = spawn('psql', args, { stdio: 'inherit', env: { ...world.env, ...connection } });
      const code = await world.untilInterrupted((signal) => endOf(child, signal));
      if (code !== 0) throw new ProgramEnded('psql', code);
    });
};

function endOf(child: ChildProcess, signal: AbortSignal): Promise<number> {
  // Ctrl-C reaches psql by itself: there it cancels a query. What is sent to us alone is passed on.
  const passOn = () => {
    if (signal.reason instanceof Interrupted && signal.reason.signal === 'SIGTERM') child.kill('SIGTERM');
  };
  signal.addEventListener('abort', passOn);
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => resolve(code ?? exitCodes.failed));
    child.on('error', (cause) =>
      reject(new Failure('cannot run psql: install postgresql-client-15, or use `pgherd uri`', { cause })),
    );
  });
}
