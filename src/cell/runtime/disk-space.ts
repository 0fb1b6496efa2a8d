import { statfs } from 'node:fs/promises';

const nearlyFullPercent = 90;

/** How full a disk is, in whole percent, once that is nearly all of it; undefined before, or when nobody can tell. */
export async function nearlyFull(directory: string): Promise<{ directory: string; used_percent: number } | undefined> {
  try {
    const { blocks, bfree, bavail } = await statfs(directory);
    // As df counts: what is kept for root is no room.
    const used = blocks - bfree;
    const percent = Math.ceil((used * 100) / Math.max(1, used + bavail));
    return percent >= nearlyFullPercent ? { directory, used_percent: percent } : undefined;
  } catch {
    return undefined;
  }
}
