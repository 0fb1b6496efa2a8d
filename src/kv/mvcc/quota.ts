import type { StorageEngine } from '../storage/engine.ts';
import { refusals } from './refusals.ts';

/** How much may be stored. What adds data is refused beyond; what removes data never is. */
export class Quota {
  /** Refuses all that adds data, whatever the size: an alarm is on. */
  isExceeded = false;
  readonly #engine: StorageEngine;
  readonly #bytes: number;
  readonly #onExceeded: () => void;

  /** `onExceeded` is called for every write that is refused for its size. */
  constructor(engine: StorageEngine, bytes: number, onExceeded: () => void) {
    this.#engine = engine;
    this.#bytes = bytes;
    this.#onExceeded = onExceeded;
  }

  /** Throws if there is no room for so many more bytes. */
  admit(bytes: number): void {
    if (this.isExceeded) throw refusals.noSpace();
    if (this.#engine.size().inUse + bytes <= this.#bytes) return;
    this.#onExceeded();
    throw refusals.noSpace();
  }
}
