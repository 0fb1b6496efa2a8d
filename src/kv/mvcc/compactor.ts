import type { Clock } from '../../time/clock.ts';
import type { CompactionRequest } from '../messages.ts';
import type { StorageEngine } from '../storage/engine.ts';
import type { GroupCommit } from './group-commit.ts';
import { refusals } from './refusals.ts';

/** What is compacted without being asked: history older than a time, or more than so many revisions. */
export type AutoCompaction =
  | { readonly mode: 'off' }
  | { readonly mode: 'periodic'; readonly retentionMs: number }
  | { readonly mode: 'revision'; readonly retention: bigint };

const revisionCheckMs = 5 * 60_000;
/** A period is looked at so many times: history lives at most a tenth longer than asked for. */
const looksPerPeriod = 10;

export interface CompactorOptions {
  readonly engine: StorageEngine;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly auto: AutoCompaction;
}

/** Forgets history: readers are refused at once, its space is given back piece by piece between the writes. */
export class Compactor {
  readonly #options: CompactorOptions;
  #trimming: Promise<void> | undefined;
  #again = false;
  #holds = 0;

  constructor(options: CompactorOptions) {
    this.#options = options;
  }

  async compact({ revision, physical }: CompactionRequest): Promise<{ readonly revision: bigint }> {
    const { commits, engine } = this.#options;
    await commits.submit({
      needs: () => {},
      decide: (draft) => {
        if (revision <= draft.compactRevision) throw refusals.compacted();
        if (revision > draft.revision) throw refusals.futureRevision();
        draft.compact(revision);
      },
    });
    const trimmed = this.#trim();
    if (physical) await trimmed;
    else trimmed.catch(() => {});
    return { revision: engine.revision };
  }

  /** Keeps what is there now until the returned function is called: somebody reads it page by page. */
  hold(): () => void {
    this.#holds += 1;
    let isHeld = true;
    return () => {
      if (isHeld) this.#holds -= 1;
      isHeld = false;
      if (this.#holds === 0) this.#trim().catch(() => {});
    };
  }

  /** Finishes what an earlier server began, and compacts as it was told to, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#trim().catch(() => {});
    const { auto } = this.#options;
    if (auto.mode === 'periodic') await this.#periodic(auto.retentionMs, signal);
    else if (auto.mode === 'revision') {
      await this.#each(revisionCheckMs, signal, () => this.#options.engine.revision - auto.retention);
    }
  }

  async #periodic(retentionMs: number, signal: AbortSignal): Promise<void> {
    const seen: bigint[] = [];
    await this.#each(retentionMs / looksPerPeriod, signal, () => {
      seen.push(this.#options.engine.revision);
      return seen.length > looksPerPeriod ? (seen.shift() ?? 0n) : 0n;
    });
  }

  async #each(everyMs: number, signal: AbortSignal, target: () => bigint): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(everyMs, signal).catch(() => {});
      if (signal.aborted) return;
      const revision = target();
      if (revision <= 0n || revision <= this.#options.engine.compactRevision) continue;
      // The next time will come.
      await this.compact({ revision, physical: false }).catch(() => {});
    }
  }

  #trim(): Promise<void> {
    this.#again = true;
    this.#trimming ??= this.#trimAll().finally(() => {
      this.#trimming = undefined;
    });
    return this.#trimming;
  }

  async #trimAll(): Promise<void> {
    const { commits, engine } = this.#options;
    while (this.#again && this.#holds === 0) {
      this.#again = false;
      while (this.#holds === 0 && (await commits.alone(() => engine.trim()))) this.#again = true;
    }
  }
}
