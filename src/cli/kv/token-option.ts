import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { JwtTokens, publicHalf } from '../../kv/auth/jwt.ts';
import { SimpleTokens } from '../../kv/auth/simple-tokens.ts';
import type { Tokens } from '../../kv/auth/tokens.ts';
import type { Clock } from '../../time/clock.ts';
import { parseDurationMs } from '../duration.ts';
import { Failure, usageFailure } from '../failure.ts';

const form =
  'expected simple, or jwt,sign-method=HS256,priv-key=FILE or jwt,sign-method=RS256,pub-key=FILE,priv-key=FILE';
const known = new Set(['sign-method', 'priv-key', 'pub-key', 'ttl']);

/** `--auth-token`, in etcd's own form. */
export function tokensOf(text: string, clock: Clock): Tokens {
  const [kind, ...settings] = text.split(',');
  if (kind === 'simple' && settings.length === 0) return new SimpleTokens(clock);
  const values = new Map(settings.map((each) => each.split(/=(.*)/s, 2) as [string, string]));
  const isKnown = [...values].every(([name, value]) => known.has(name) && value);
  const method = values.get('sign-method');
  const privateFile = values.get('priv-key');
  const publicFile = values.get('pub-key');
  if (kind !== 'jwt' || !isKnown) throw usageFailure(`--auth-token is ${JSON.stringify(text)}: ${form}`);
  const ttl = parseDurationMs(values.get('ttl') ?? '5m');
  if (!ttl.ok) throw usageFailure(`--auth-token: ${ttl.problem}`);
  const seconds = Math.max(1, Math.round(ttl.value / 1000));
  if (method === 'HS256' && privateFile) {
    return new JwtTokens({ method, secret: read(privateFile) }, seconds, clock);
  }
  if (method !== 'RS256' || !(privateFile || publicFile)) throw usageFailure(`--auth-token: ${form}`);
  const privateKey = privateFile === undefined ? undefined : keyOf(privateFile, createPrivateKey);
  const publicKey = publicFile === undefined ? undefined : keyOf(publicFile, createPublicKey);
  const verifying = publicKey ?? (privateKey && publicHalf(privateKey));
  if (!verifying) throw usageFailure(`--auth-token: ${form}`);
  return new JwtTokens({ method, privateKey, publicKey: verifying }, seconds, clock);
}

function keyOf(file: string, create: (pem: Buffer) => KeyObject): KeyObject {
  const pem = read(file);
  try {
    return create(pem);
  } catch (cause) {
    throw new Failure(`--auth-token: ${file} is not a key in PEM`, { cause });
  }
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new Failure(`--auth-token: cannot read ${file}`, { cause });
  }
}
