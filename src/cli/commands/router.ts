import { hostname } from 'node:os';
import { Option } from 'commander';
import { addOptions, hostAndPort, metricsOption, onExitOption, runDaemon } from '../daemon.ts';
import { defaultDataDir } from '../data-dir.ts';
import { optionsOf } from '../global-options.ts';
import { routerIdOf } from '../ids.ts';
import { portRangeOf, portsOption } from '../ports.ts';
import type { Register } from '../register.ts';
import { version } from '../version.ts';

interface RouterOptions {
  readonly id: string;
  readonly address: string;
  readonly listen: string;
  readonly ports: string;
  readonly dataDir?: string;
  readonly haproxy: string;
  readonly onExit: 'leave' | 'stop';
  readonly metrics: string;
}

/** `pgherd router`: the daemon that leads public ports to leaders. */
export const router: Register = (program, world) => {
  const command = program
    .command('router')
    .description('run a router: keeps HAProxy leading every public port to its leader');
  addOptions(command, [
    new Option('--address <host>', 'the host that clients connect to').makeOptionMandatory().env('PGHERD_ADDRESS'),
    new Option('--id <id>', 'its name, unique among the routers of the herd')
      .default(hostname())
      .env('PGHERD_ROUTER_ID'),
    new Option('--listen <address>', 'where HAProxy listens').default('0.0.0.0').env('PGHERD_LISTEN'),
    portsOption(),
    new Option('--data-dir <dir>', 'for the configuration and sockets of HAProxy').env('PGHERD_DATA_DIR'),
    new Option('--haproxy <program>', 'the program').default('haproxy').env('PGHERD_HAPROXY'),
    onExitOption('HAProxy'),
    metricsOption(9302),
  ])
    .addHelpText('after', '\nExample:\n  $ pgherd router --address pg.example.com')
    .action(async (_, self) => {
      const options = optionsOf<RouterOptions>(self);
      const { runRouter } = await import('../../router/router-daemon.ts');
      await runDaemon(world, options, (parts, signal) =>
        runRouter(
          {
            ...parts,
            router: routerIdOf(options.id),
            address: options.address,
            bindAddress: options.listen,
            portRange: portRangeOf(options.ports),
            dataDir: options.dataDir ?? defaultDataDir('router', world.env),
            haproxyPath: options.haproxy,
            onExit: options.onExit,
            http: hostAndPort('--metrics', options.metrics),
            version,
          },
          signal,
        ),
      );
    });
};
