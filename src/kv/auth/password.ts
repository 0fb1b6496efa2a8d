import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(scrypt) as (password: string, salt: Buffer, bytes: number) => Promise<Buffer>;
const hashBytes = 32;

/** What is kept of a password: salt and scrypt's answer. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, hashBytes);
  return `scrypt:${salt.toString('base64')}:${hash.toString('base64')}`;
}

export async function isPassword(password: string, kept: string): Promise<boolean> {
  const [method, salt = '', hash = ''] = kept.split(':');
  if (method !== 'scrypt') return false;
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'base64'), hashBytes), Buffer.from(hash, 'base64'));
}
