import type { Clock } from '../../../time/clock.ts';
import type { Engine, Image } from './engine.ts';

/** An image as containers are made of it: by digest, so that a tag that moves changes nothing. */
export type NodeImage = Image & { readonly user: NonNullable<Image['user']> };

// What makes no progress for so long is begun again; unpacking the last of it is no progress that anybody tells.
const stalledMs = 600_000;
const retryMs = 30_000;

/** The image of a cell's nodes: pulled or loaded ahead, so that no start of a node waits for it. */
export class Images {
  readonly #engine: Engine;
  readonly #reference: string;
  readonly #file: string | undefined;
  readonly #clock: Clock;
  #problem: string | undefined;

  /** `file` is what `docker save` made; with it nothing is pulled. */
  constructor(engine: Engine, reference: string, file: string | undefined, clock: Clock) {
    this.#engine = engine;
    this.#reference = reference;
    this.#file = file;
    this.#clock = clock;
    this.#problem = `image ${reference} was not looked for yet`;
  }

  /** Why no node can be started, as a sentence; undefined when the image is here. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The image; rejects when it is not here. */
  async get(): Promise<NodeImage> {
    const image = await this.#engine.image(this.#reference);
    if (!image) throw new Error(`image ${this.#reference} is not here${this.#problem ? `: ${this.#problem}` : ''}`);
    if (!image.user) {
      throw new Error(`image ${this.#reference} does not say which user it runs as, in numbers (USER 999:999)`);
    }
    return { id: image.id, user: image.user };
  }

  /** Fetches the image if it is not here, until it is. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!(await this.#engine.image(this.#reference))) await this.#fetch(signal);
        await this.get();
        this.#problem = undefined;
        return;
      } catch (error) {
        this.#problem = `${this.#doing} does not work: ${(error as Error).message}`;
        await this.#clock.sleep(retryMs, signal).catch(() => {});
      }
    }
  }

  get #doing(): string {
    return this.#file ? `loading image ${this.#reference} from ${this.#file}` : `pulling image ${this.#reference}`;
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    this.#problem = `${this.#doing}, not done yet`;
    const stalled = new AbortController();
    let cancel = () => {};
    const alive = () => {
      cancel();
      cancel = this.#clock.after(stalledMs, () => stalled.abort(new Error('no progress')));
    };
    alive();
    const both = AbortSignal.any([signal, stalled.signal]);
    try {
      const onProgress = (share: number) => {
        alive();
        this.#problem = `${this.#doing}, ${Math.floor(share * 100)} % are here`;
      };
      if (this.#file) await this.#engine.load(this.#file, onProgress, both);
      else await this.#engine.pull(this.#reference, onProgress, both);
    } finally {
      cancel();
    }
  }
}
