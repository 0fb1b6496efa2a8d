import { randomUUID } from 'node:crypto';
import { mkdir, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventRecorder } from '../engine/event-recorder.ts';
import type { Logger } from '../engine/logger.ts';
import { readSecret, seal, writeWhole } from '../engine/sealed-file.ts';
import { takeSnapshot } from '../schema/snapshot.ts';
import { prefixRange, type Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';

/** Where snapshots go, and what they are encrypted with. */
export interface SnapshotTarget {
  readonly directory: string;
  readonly keyFile: string;
}

interface SnapshotExporterOptions extends SnapshotTarget {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Pick<EventRecorder, 'record'>;
}

const lookEveryMs = 10 * 60_000;
const keep = 14;
const pattern = /^herd-\d{4}-\d{2}-\d{2}\.snapshot$/;

/** Whether a file is one of those that are written every day. */
export const isSnapshotName = (name: string): boolean => pattern.test(name);

/** Writes one snapshot a day while it runs, and keeps those of the last two weeks. */
export class SnapshotExporter {
  readonly #options: SnapshotExporterOptions;

  constructor(options: SnapshotExporterOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, events } = this.#options;
    while (!signal.aborted) {
      try {
        await this.export(signal);
      } catch (error) {
        if (signal.aborted) return;
        logger.error({ err: error }, 'snapshot cannot be written');
        const message = `the daily snapshot cannot be written: ${(error as Error).message}`;
        events.record({ type: 'Warning', reason: 'SnapshotFailed', object: 'herd', message });
      }
      await clock.sleep(lookEveryMs, signal).catch(() => {});
    }
  }

  /** Writes today's snapshot if it is not there yet; resolves with whether it was due. */
  async export(signal: AbortSignal): Promise<boolean> {
    const { directory, keyFile, store, clock, logger } = this.#options;
    const at = new Date(clock.now()).toISOString();
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const before = (await readdir(directory)).filter(isSnapshotName).sort();
    const name = `herd-${at.slice(0, 10)}.snapshot`;
    if (before.includes(name)) return false;
    const secret = await readSecret(keyFile);
    const { clusterId } = await store.identity({ signal });
    const { kvs, revision } = await store.list(prefixRange('/'), { signal });
    const taken = takeSnapshot(kvs, { id: randomUUID(), at, cluster: clusterId, revision: String(revision) });
    // A store that lost everything must not push out what was saved of it.
    if (taken.keys.length === 0) return false;
    await writeWhole(join(directory, name), seal(JSON.stringify(taken), secret));
    logger.info({ name, keys: taken.keys.length }, 'snapshot written');
    const old = [...before, name].slice(0, -keep);
    for (const each of old) await unlink(join(directory, each));
    return true;
  }
}
