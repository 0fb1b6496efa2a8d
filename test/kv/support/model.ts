import type { Event, KeyValue } from '../../../src/kv/messages.ts';

/** Every state that the key space ever had, by revision: slow, and too simple to be wrong. */
export class ModelStore {
  readonly states: ReadonlyMap<string, KeyValue>[] = [new Map(), new Map()];
  readonly events: Event[] = [];

  get revision(): bigint {
    return BigInt(this.states.length - 1);
  }

  /** Puts (a value) and deletes (undefined) in one revision, none if nothing changes. */
  write(changes: readonly (readonly [key: string, value: string | undefined])[]): bigint {
    const before = this.states.at(-1) as ReadonlyMap<string, KeyValue>;
    const state = new Map(before);
    const modRevision = this.revision + 1n;
    let changed = false;
    for (const [text, value] of changes) {
      const key = Buffer.from(text, 'latin1');
      const previous = state.get(text);
      if (value === undefined && !previous) continue;
      changed = true;
      if (value === undefined) {
        state.delete(text);
        const kv = { key, createRevision: 0n, modRevision, version: 0n, value: Buffer.alloc(0), lease: 0n };
        this.events.push({ type: 'DELETE', kv, prevKv: previous });
        continue;
      }
      const createRevision = previous?.createRevision ?? modRevision;
      const version = (previous?.version ?? 0n) + 1n;
      const kv = { key, createRevision, modRevision, version, value: Buffer.from(value), lease: 0n };
      state.set(text, kv);
      this.events.push({ type: 'PUT', kv, prevKv: previous });
    }
    if (changed) this.states.push(state);
    return this.revision;
  }

  /** The keys of a span at a revision, in order. */
  range(from: string, to: string | undefined, revision: bigint): KeyValue[] {
    const state = this.states[Number(revision)] ?? new Map<string, KeyValue>();
    return [...state]
      .filter(([key]) => key >= from && (to === undefined || key < to))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, kv]) => kv);
  }

  /** The present keys of a span. */
  keys(from: string, to: string | undefined): string[] {
    return this.range(from, to, this.revision).map(({ key }) => key.toString('latin1'));
  }
}
