import { Option } from 'commander';
import type { Account } from '../schema/credentials.ts';
import { condition, type ObservedState } from '../schema/observed-state.ts';
import { Failure } from './failure.ts';

/** Which account of an instance, and through which of its endpoints. */
export interface AccountOptions {
  readonly user: 'app' | 'admin' | 'superuser';
  readonly readOnly?: true;
}

export const accountOption = (): Option =>
  new Option('-u, --user <account>', 'whose account').choices(['app', 'admin', 'superuser']).default('app');

/** What a client needs to connect. */
export interface Credential extends Account {
  readonly host: string;
  readonly port: string;
  readonly database: string;
}

/** The account and the endpoint that were asked for. */
export function credentialOf(state: ObservedState, { user, readOnly }: AccountOptions): Credential {
  const id = state.instance_id;
  const account = state[`${user}_credentials`];
  const endpoint = readOnly ? state.read_only_endpoint : state.endpoint;
  if (endpoint && state.accepted?.adopted) {
    throw new Failure(
      `instance ${id} was adopted, so its accounts are known to its owners only: connect to ${endpoint}`,
    );
  }
  if (!account || !endpoint) {
    const missing = account ? `no ${readOnly ? 'read-only ' : ''}endpoint` : `no ${user} account`;
    const why = condition(state, 'Ready')?.message;
    throw new Failure(`instance ${id} has ${missing} yet${why ? `: ${why}` : ''}; wait with \`pgherd wait ${id}\``);
  }
  const colon = endpoint.lastIndexOf(':');
  return { ...account, host: endpoint.slice(0, colon), port: endpoint.slice(colon + 1), database: 'postgres' };
}

/** A connection URI, password and all: for the operator's eyes only. */
export const uriOf = ({ username, password, host, port, database }: Credential): string =>
  `postgres://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
