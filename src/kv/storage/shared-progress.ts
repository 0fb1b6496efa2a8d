/** How far a store is that several servers write to, and who is to be told of what others wrote. */
export class SharedProgress {
  #revision = 1n;
  #compactRevision = -1n;
  #isWriting = false;
  /** What was heard of while we were writing. */
  #seen = 0n;
  #onAdvance: (revision: bigint) => void = () => {};

  get revision(): bigint {
    return this.#revision;
  }

  get compactRevision(): bigint {
    return this.#compactRevision;
  }

  onAdvance(listener: (revision: bigint) => void): void {
    this.#onAdvance = listener;
  }

  /** Somebody has written up to a revision. */
  observe(revision: bigint, compactRevision = this.#compactRevision): void {
    if (compactRevision > this.#compactRevision) this.#compactRevision = compactRevision;
    if (revision <= this.#revision) return;
    // It may be our own write, whose answer is still on its way: then it is not to be read from history.
    if (this.#isWriting) {
      if (revision > this.#seen) this.#seen = revision;
      return;
    }
    this.#revision = revision;
    this.#onAdvance(revision);
  }

  /** Runs our own write, of which nobody is told: who wrote it publishes it. */
  async during(
    write: () => Promise<{ readonly revision: bigint; readonly compactRevision: bigint } | undefined>,
  ): Promise<void> {
    this.#isWriting = true;
    try {
      const written = await write();
      if (!written) return;
      if (written.revision > this.#revision) this.#revision = written.revision;
      if (written.compactRevision > this.#compactRevision) this.#compactRevision = written.compactRevision;
    } finally {
      this.#isWriting = false;
      if (this.#seen > this.#revision) setImmediate(() => this.observe(this.#seen));
    }
  }
}
