import { type Command, Option } from 'commander';

/** Options that every command takes, as commander names them. */
export interface GlobalOptions {
  readonly etcd?: string;
  readonly etcdCacert?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
  readonly root?: string;
  readonly logLevel: LogLevel;
  readonly logFormat?: 'json' | 'text';
}
export type LogLevel = (typeof logLevels)[number];

const logLevels = ['debug', 'info', 'warn', 'error'] as const;

export function addGlobalOptions(program: Command): void {
  const option = (flags: string, description: string, variable: string): Option =>
    new Option(flags, description).env(variable);
  for (const each of [
    option('--etcd <urls>', 'etcd that the herd meets in: URL[,URL…]', 'PGHERD_ETCD'),
    option('--etcd-cacert <file>', 'authorities that may have signed the certificate of etcd', 'PGHERD_ETCD_CACERT'),
    option('--etcd-cert <file>', 'our certificate', 'PGHERD_ETCD_CERT'),
    option('--etcd-key <file>', 'the key of our certificate', 'PGHERD_ETCD_KEY'),
    option('--etcd-user <name>', 'user of etcd; the password comes from PGHERD_ETCD_PASSWORD', 'PGHERD_ETCD_USER'),
    option('--etcd-password-file <file>', 'or from a file', 'PGHERD_ETCD_PASSWORD_FILE'),
    option('--root <path>', 'prefix of all keys of this herd', 'PGHERD_ROOT'),
    option('--log-level <level>', 'how much daemons tell', 'PGHERD_LOG_LEVEL').choices(logLevels).default('info'),
    option('--log-format <format>', 'text by default on a terminal, else json', 'PGHERD_LOG_FORMAT').choices([
      'json',
      'text',
    ]),
  ]) {
    program.addOption(each);
  }
}

/** The options of a command together with the global ones. */
export const optionsOf = <Own extends object>(command: Command): Own & GlobalOptions =>
  command.optsWithGlobals<Own & GlobalOptions>();
