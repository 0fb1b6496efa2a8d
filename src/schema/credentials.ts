import { z } from 'zod';
import { desiredStatePrefix } from './desired-state.ts';
import type { InstanceId } from './ids.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/** `/serviceinstances/<id>/credentials`: the generated accounts of one instance; created once, never overwritten. */
export const credentialsKey = (id: InstanceId): string => `${desiredStatePrefix}${id}/credentials`;

/** The instance of a credentials key, undefined for any other key. */
export function parseCredentialsKey(key: string): InstanceId | undefined {
  return /^\/serviceinstances\/([^/]+)\/credentials$/.exec(key)?.[1] as InstanceId | undefined;
}

export const accountShape = z.object({ username: z.string().min(1), password: z.string().min(1) });
/** A user of PostgreSQL. */
export type Account = z.infer<typeof accountShape>;

const credentialsShape = z.object({
  admin_credentials: accountShape,
  superuser_credentials: accountShape,
  app_credentials: accountShape,
  /** For streaming replication and pg_rewind, between the nodes only. */
  replication_credentials: accountShape,
  /** When they were generated, ISO 8601; those of an instance that is older than this field do not say. */
  created_at: z.string().optional(),
});
export type Credentials = z.infer<typeof credentialsShape>;

export const parseCredentials = (text: string): Parsed<Credentials> => parseJson(text, credentialsShape);

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** New accounts: 16 characters of [A-Za-z0-9] each, unbiased. `randomInt(n)` gives a whole number in [0, n), securely. */
export function generateCredentials(randomInt: (exclusiveMax: number) => number, now: Date): Credentials {
  const account = (username: string): Account => ({
    username,
    password: Array.from({ length: 16 }, () => alphabet[randomInt(alphabet.length)]).join(''),
  });
  return {
    admin_credentials: account('pgadmin'),
    superuser_credentials: account('postgres'),
    app_credentials: account('appuser'),
    replication_credentials: account('replicator'),
    created_at: now.toISOString(),
  };
}
