import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';

/** The file is not what it should be, or the key is not the one it was sealed with. */
export class SealError extends Error {
  override readonly name = 'SealError';
  readonly code = 'seal';
}

const magic = 'PGHERD-SNAPSHOT';
const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const shortestKeyBytes = 16;

interface Header {
  readonly version: number;
  readonly salt: string;
  readonly iv: string;
  readonly tag: string;
}

type Buffers = [salt: Buffer, iv: Buffer, tag: Buffer];

/**
 * Encrypts a text: one line that says how, then the text, compressed and sealed with AES-256-GCM under a key that scrypt
 * makes of the secret. Whatever is changed in it, also in the line, is found.
 */
export function seal(text: string, secret: Buffer): Buffer {
  checkSecret(secret);
  const [salt, iv] = [randomBytes(16), randomBytes(12)];
  const cipher = createCipheriv('aes-256-gcm', scryptSync(secret, salt, 32, cost), iv);
  cipher.setAAD(Buffer.from(`${magic} 1`));
  const body = Buffer.concat([cipher.update(gzipSync(text)), cipher.final()]);
  return Buffer.concat([Buffer.from(`${firstLine(salt, iv, cipher.getAuthTag())}\n`), body]);
}

function firstLine(salt: Buffer, iv: Buffer, tag: Buffer): string {
  const [saltText, ivText, tagText] = [salt, iv, tag].map((bytes) => bytes.toString('base64')) as [
    string,
    string,
    string,
  ];
  const header: Header = { version: 1, salt: saltText, iv: ivText, tag: tagText };
  return `${magic} ${JSON.stringify(header)}`;
}

/** Decrypts what `seal` made; throws `SealError` with what is wrong. */
export function unseal(file: Buffer, secret: Buffer): string {
  checkSecret(secret);
  const end = file.indexOf('\n');
  const line = file.subarray(0, Math.max(0, Math.min(end, 1000))).toString();
  if (!line.startsWith(`${magic} `)) throw new SealError('it is not a snapshot of pgherd');
  let header: Header;
  try {
    header = JSON.parse(line.slice(magic.length + 1)) as Header;
  } catch {
    throw new SealError('its first line is damaged');
  }
  if (header.version !== 1) {
    throw new SealError(`it is of version ${header.version}, which a newer pgherd wrote; only 1 is known here`);
  }
  try {
    const [salt, iv, tag] = [header.salt, header.iv, header.tag].map((text) => Buffer.from(text, 'base64')) as Buffers;
    // Several texts decode to the same bytes; ours is one of them.
    if (line !== firstLine(salt, iv, tag)) throw new SealError('its first line is damaged');
    const decipher = createDecipheriv('aes-256-gcm', scryptSync(secret, salt, 32, cost), iv, { authTagLength: 16 });
    decipher.setAAD(Buffer.from(`${magic} 1`));
    decipher.setAuthTag(tag);
    return gunzipSync(Buffer.concat([decipher.update(file.subarray(end + 1)), decipher.final()])).toString();
  } catch (cause) {
    throw new SealError('it is damaged, or was encrypted with another key', { cause });
  }
}

function checkSecret(secret: Buffer): void {
  if (secret.toString().trim().length < shortestKeyBytes) {
    throw new SealError(
      `the key file has fewer than ${shortestKeyBytes} characters: make one of 32 random bytes, in base64`,
    );
  }
}

/** The secret of a key file. */
export async function readSecret(path: string): Promise<Buffer> {
  return Buffer.from((await readFile(path, 'utf8')).trim());
}

/** Writes a file whole or not at all, readable by its owner only. */
export async function writeWhole(path: string, content: Buffer): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}
