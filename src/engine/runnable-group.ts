import { setMaxListeners } from 'node:events';

interface Member<A extends unknown[]> {
  readonly name: string;
  run(signal: AbortSignal, ...args: A): Promise<void>;
}

/** Parts of a process that start and stop together. */
export class RunnableGroup<A extends unknown[] = []> {
  readonly #members: Member<A>[] = [];
  readonly #running = new Map<Member<A>, Promise<void>>();
  readonly #stopping = new AbortController();

  constructor() {
    // Everything that waits in the process listens to it.
    setMaxListeners(0, this.#stopping.signal);
  }

  add(member: Member<A>): void {
    this.#members.push(member);
  }

  get size(): number {
    return this.#members.length;
  }

  /** Names of the members that have not ended. */
  get running(): string[] {
    return [...this.#running.keys()].map(({ name }) => name);
  }

  /** Starts all members, unless it was stopped before. */
  start(onError: (name: string, error: unknown) => void, ...args: A): void {
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    for (const member of this.#members) {
      const ended = (async () => member.run(signal, ...args))()
        .catch((error: unknown) => {
          if (!signal.aborted || !isAbort(error, signal)) onError(member.name, error);
        })
        .finally(() => this.#running.delete(member));
      this.#running.set(member, ended);
    }
  }

  /** Resolves when all members have ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running.values());
  }
}

/** Whether an error says no more than that what was asked to stop has stopped. */
function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError');
}
