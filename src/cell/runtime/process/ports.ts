import { createServer } from 'node:net';

/** Ports that nodes may listen on. */
export interface NodePortRange {
  readonly first: number;
  readonly last: number;
}

export const defaultNodePorts: NodePortRange = { first: 20000, last: 24999 };

/** The two ports of one node. */
export interface PortPair {
  readonly postgresql: number;
  readonly patroni: number;
}

/** Hands out the ports of a cell's address. A port that became free is given again as late as possible. */
export class Ports {
  readonly #address: string;
  readonly #range: NodePortRange;
  readonly #taken = new Set<number>();
  #next: number;

  constructor(address: string, range: NodePortRange) {
    this.#address = address;
    this.#range = range;
    this.#next = range.first;
  }

  /** Remembers the ports of a node that was found here. */
  reserve(pair: PortPair): void {
    for (const port of [pair.postgresql, pair.patroni]) {
      this.#taken.add(port);
      this.#next = Math.max(this.#next, port + 1);
    }
  }

  release(pair: PortPair): void {
    this.#taken.delete(pair.postgresql);
    this.#taken.delete(pair.patroni);
  }

  /** The node's old pair when both are still free, else a new one; reserved either way. */
  async choose(old: PortPair | undefined): Promise<PortPair> {
    if (old) {
      if ((await this.#isFree(old.postgresql)) && (await this.#isFree(old.patroni))) return old;
      this.release(old);
    }
    const postgresql = await this.#take();
    try {
      return { postgresql, patroni: await this.#take() };
    } catch (error) {
      this.#taken.delete(postgresql);
      throw error;
    }
  }

  async #take(): Promise<number> {
    const { first, last } = this.#range;
    for (let tries = 0; tries <= last - first; tries++) {
      if (this.#next > last) this.#next = first;
      const port = this.#next++;
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      if (await this.#isFree(port)) return port;
      this.#taken.delete(port);
    }
    throw new Error(`no port from ${first} to ${last} is free on ${this.#address}`);
  }

  #isFree(port: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') resolve(false);
        else reject(new Error(`cannot listen on ${this.#address}:${port}`, { cause: error }));
      });
      server.listen({ host: this.#address, port, exclusive: true }, () => server.close(() => resolve(true)));
    });
  }
}
