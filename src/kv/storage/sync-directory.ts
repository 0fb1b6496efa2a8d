import { open } from 'node:fs/promises';

/** Makes durable which files there are in a directory. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
