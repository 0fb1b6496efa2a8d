import { KvError } from '../kv-error.ts';

/** Asks for permission; etcd 3.4 lets the refusals of its maintenance service out without the form of the others. */
export function asMaintenance(ask: () => void): void {
  try {
    ask();
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    throw new KvError('Unknown', error.message.replace(/^etcdserver: /, 'auth: '));
  }
}
