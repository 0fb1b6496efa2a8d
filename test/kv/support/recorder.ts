import type { Backend, Watch, WatchListener } from '../../../src/kv/backend.ts';
import type { Event, WatchCreateRequest } from '../../../src/kv/messages.ts';
import { eventLine } from './requests.ts';

/** Follows a watch and keeps what it is told. */
export class Recorder implements WatchListener {
  readonly deliveries: { readonly events: readonly Event[]; readonly revision: bigint }[] = [];
  readonly watch: Watch;
  compactRevision: bigint | undefined;
  /** Deliveries that it takes before it says that it is full. */
  room = Number.POSITIVE_INFINITY;
  #wake: (() => void)[] = [];

  constructor(backend: Backend, request: WatchCreateRequest, room = Number.POSITIVE_INFINITY) {
    this.room = room;
    this.watch = backend.watch(request, this);
  }

  get events(): readonly Event[] {
    return this.deliveries.flatMap(({ events }) => events);
  }

  get lines(): string[] {
    return this.events.map(eventLine);
  }

  deliver(events: readonly Event[], revision: bigint): boolean {
    this.deliveries.push({ events, revision });
    this.room -= 1;
    this.#tell();
    return this.room > 0;
  }

  compacted(compactRevision: bigint): void {
    this.compactRevision = compactRevision;
    this.#tell();
  }

  /** Resolves when what it knows is enough. */
  async until(isEnough: (recorder: this) => boolean): Promise<this> {
    while (!isEnough(this)) await new Promise<void>((resolve) => this.#wake.push(resolve));
    return this;
  }

  /** Resolves with the events in lines when there are so many. */
  async atLeast(count: number): Promise<string[]> {
    await this.until(() => this.events.length >= count);
    return this.lines;
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
