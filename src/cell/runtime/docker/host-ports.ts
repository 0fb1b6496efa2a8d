import { defaultNodePorts, type NodePortRange, type PortPair } from '../process/ports.ts';

/**
 * Chooses host ports for containers: at random, so that cells that share an engine seldom meet, and below those that
 * the kernel hands out for outgoing connections. Only the engine knows whether a port is free where it publishes; when
 * it refuses one, others are chosen.
 */
export class HostPorts {
  readonly #range: NodePortRange;
  readonly #random: () => number;
  readonly #taken = new Set<number>();

  /** `random` gives numbers in [0, 1). */
  constructor(range: NodePortRange = defaultNodePorts, random: () => number = Math.random) {
    this.#range = range;
    this.#random = random;
  }

  /** Remembers the ports of a node that was found here. */
  reserve({ postgresql, patroni }: PortPair): void {
    this.#taken.add(postgresql);
    this.#taken.add(patroni);
  }

  release({ postgresql, patroni }: PortPair): void {
    this.#taken.delete(postgresql);
    this.#taken.delete(patroni);
  }

  /** A new pair, reserved. */
  choose(): PortPair {
    return { postgresql: this.#take(), patroni: this.#take() };
  }

  #take(): number {
    const { first, last } = this.#range;
    const count = last - first + 1;
    const start = Math.floor(this.#random() * count);
    for (let tries = 0; tries < count; tries += 1) {
      const port = first + ((start + tries) % count);
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      return port;
    }
    throw new Error(`no port from ${first} to ${last} is left on this cell`);
  }
}

/** Whether the engine refused to publish a port because somebody else has it; Docker and podman say it differently. */
export const isPortTaken = (error: Error): boolean =>
  /port is already allocated|address already in use|ports are not available/i.test(error.message);
