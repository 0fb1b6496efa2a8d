import type { Assignment } from '../../../schema/assignment.ts';
import type { Clock } from '../../../time/clock.ts';
import { impossible, type Readiness, ready } from '../runtime.ts';
import type { Engine, Image } from './engine.ts';

/** An image as containers are made of it: by digest, so that a tag that moves changes nothing. */
export type NodeImage = Image & { readonly user: NonNullable<Image['user']> };

// What makes no progress for so long is begun again; unpacking the last of it is no progress that anybody tells.
const stalledMs = 600_000;
const retryMs = 30_000;

/**
 * The images of a cell's nodes. Its own is pulled or loaded ahead, so that no start of a node waits for it; those that
 * documents name are pulled before a node is stopped for one.
 */
export class Images {
  readonly #engine: Engine;
  readonly #reference: string;
  readonly #file: string | undefined;
  readonly #clock: Clock;
  #problem: string | undefined;
  #postgresql: string | undefined;
  /** Images that documents name and that are on their way, and why those are not here that cannot be had. */
  readonly #fetching = new Map<string, Promise<void>>();
  readonly #failed = new Map<string, string>();
  #signal = new AbortController().signal;

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

  /** The major version of PostgreSQL in the cell's image, once it is here and if it says. */
  get postgresql(): string | undefined {
    return this.#postgresql;
  }

  /** The image of that reference, or else the cell's; rejects when it is not here. */
  async get(reference = this.#reference): Promise<NodeImage> {
    const image = await this.#engine.image(reference);
    const problem = reference === this.#reference ? this.#problem : this.#failed.get(reference);
    if (!image) throw new Error(`image ${reference} is not here${problem ? `: ${problem}` : ''}`);
    if (!image.user) {
      throw new Error(`image ${reference} does not say which user it runs as, in numbers (USER 999:999)`);
    }
    return { id: image.id, user: image.user, postgresql: image.postgresql };
  }

  /**
   * Whether a node of this order can be started, on data of this version of PostgreSQL if it has any. An image that a
   * document names is pulled when it is asked for first, and again after a failure.
   */
  async readiness(order: Assignment, data: string | undefined): Promise<Readiness> {
    const reference = order.container_image ?? this.#reference;
    const image = await this.#engine.image(reference);
    if (image) {
      const wanted = data ?? order.postgresql_version;
      if (wanted === undefined || image.postgresql === undefined || image.postgresql === wanted) return ready;
      const what =
        data === undefined ? `PostgreSQL ${wanted} was asked for` : `the data of the node are of PostgreSQL ${data}`;
      return impossible(`image ${reference} has PostgreSQL ${image.postgresql}, but ${what}`);
    }
    // The cell's own is fetched anyway, and its lack is the cell's problem.
    if (order.container_image === undefined) return ready;
    if (this.#fetching.has(reference)) return { state: 'fetching' };
    const why = this.#failed.get(reference);
    this.#fetching.set(reference, this.#pull(reference));
    return why === undefined ? { state: 'fetching' } : impossible(why);
  }

  async #pull(reference: string): Promise<void> {
    try {
      await this.#watched(
        (onProgress, signal) => this.#engine.pull(reference, onProgress, signal),
        () => {},
        this.#signal,
      );
      this.#failed.delete(reference);
    } catch (error) {
      this.#failed.set(reference, `pulling image ${reference} does not work: ${(error as Error).message}`);
    } finally {
      this.#fetching.delete(reference);
    }
  }

  /** Fetches the image if it is not here, until it is. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    while (!signal.aborted) {
      try {
        if (!(await this.#engine.image(this.#reference))) await this.#fetch(signal);
        this.#postgresql = (await this.get()).postgresql;
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
    const onProgress = (share: number) => {
      this.#problem = `${this.#doing}, ${Math.floor(share * 100)} % are here`;
    };
    const get = (tell: (share: number) => void, until: AbortSignal): Promise<void> =>
      this.#file ? this.#engine.load(this.#file, tell, until) : this.#engine.pull(this.#reference, tell, until);
    await this.#watched(get, onProgress, signal);
  }

  /** Ends what makes no progress for too long. */
  async #watched(
    get: (onProgress: (share: number) => void, signal: AbortSignal) => Promise<void>,
    onProgress: (share: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const stalled = new AbortController();
    let cancel = () => {};
    const alive = () => {
      cancel();
      cancel = this.#clock.after(stalledMs, () => stalled.abort(new Error('no progress')));
    };
    alive();
    try {
      const tell = (share: number) => {
        alive();
        onProgress(share);
      };
      await get(tell, AbortSignal.any([signal, stalled.signal]));
    } finally {
      cancel();
    }
  }
}
