import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import Docker from 'dockerode';
import type { Clock } from '../../../time/clock.ts';
import { type EngineAddress, printEngineAddress } from './engine-address.ts';

/** What the engine says of one container. */
export interface Inspection {
  readonly id: string;
  readonly name: string;
  readonly running: boolean;
  /** Of its first process, on the engine's machine; 0 unless it runs. */
  readonly pid: number;
  /** Whether any process of it was ever started. */
  readonly everStarted: boolean;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** Why the engine could not start it, in the engine's words; empty when it could. */
  readonly error: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** An image that is here. */
export interface Image {
  readonly id: string;
  /** The user that its processes run as, in numbers; undefined when it does not say. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** The major version of PostgreSQL in it, as its label says. */
  readonly postgresql: string | undefined;
}

/** One piece of news of a container. */
export interface EngineEvent {
  readonly action: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The engine did not answer in time: nobody knows what it has done. */
export class EngineDeadlineError extends Error {
  readonly code = 'engine-deadline';
}

const quickMs = 10_000;
const slowMs = 60_000;
// An engine that was asked to stop a container may take this much longer than it gives the container.
const stopGraceMs = 15_000;
// The least version of the API that has everything here; podman speaks it too.
const apiVersion = 'v1.41';

/** A container engine, Docker's or podman's. Every call has a deadline: an engine that hangs must not hang the agent. */
export class Engine {
  readonly name: string;
  readonly #docker: Docker;
  readonly #clock: Clock;

  constructor(address: EngineAddress, clock: Clock) {
    this.name = printEngineAddress(address);
    this.#clock = clock;
    this.#docker = new Docker(
      'socketPath' in address
        ? { socketPath: address.socketPath, version: apiVersion }
        : {
            host: address.host,
            port: address.port,
            protocol: address.tls ? 'https' : 'http',
            version: apiVersion,
            ...address.tls,
          },
    );
  }

  async ping(): Promise<void> {
    await this.#call('ping', quickMs / 2, (options) =>
      (this.#docker.ping as (options: object) => Promise<unknown>).call(this.#docker, options),
    );
  }

  /** Undefined when there is no such container. */
  async inspect(container: string): Promise<Inspection | undefined> {
    const found = await this.#unlessMissing('inspect', (options) =>
      this.#docker.getContainer(container).inspect(options),
    );
    if (!found) return undefined;
    const { State: state, Config: config } = found;
    return {
      id: found.Id,
      name: found.Name.replace(/^\//, ''),
      // A paused container still holds its processes.
      running: state.Running || state.Paused || state.Restarting,
      pid: state.Pid,
      everStarted: !/^0001-/.test(state.StartedAt),
      exitCode: state.ExitCode,
      outOfMemory: state.OOMKilled,
      error: state.Error,
      labels: config.Labels ?? {},
    };
  }

  /** Containers with this label, running or not. */
  async list(
    label: string,
  ): Promise<{ readonly id: string; readonly labels: Record<string, string>; running: boolean }[]> {
    const filters = JSON.stringify({ label: [label] });
    const found = await this.#call('list', quickMs, (options) =>
      this.#docker.listContainers({ ...options, all: true, filters }),
    );
    return found.map(({ Id, Labels, State }) => ({
      id: Id,
      labels: Labels,
      running: !['created', 'exited', 'dead', 'removing', 'stopped', 'configured'].includes(State),
    }));
  }

  async create(container: Docker.ContainerCreateOptions): Promise<string> {
    const { id } = await this.#call('create', slowMs, (options) =>
      this.#docker.createContainer({ ...options, ...container }),
    );
    return id;
  }

  /** Unpacks a tar archive into the container, which need not run. */
  async putFiles(container: string, archive: Buffer): Promise<void> {
    const answer = await this.#call('put files', quickMs, (options) =>
      this.#docker.getContainer(container).putArchive(archive, { ...options, path: '/' }),
    );
    answered(answer);
  }

  /** Whether the container, which need not run, has this path. */
  async has(container: string, path: string): Promise<boolean> {
    const found = await this.#unlessMissing('look into', (options) =>
      this.#docker.getContainer(container).infoArchive({ ...options, path }),
    );
    answered(found);
    return found !== undefined;
  }

  async start(container: string): Promise<void> {
    await this.#call('start', slowMs, (options) => this.#docker.getContainer(container).start(options));
  }

  /** Stops a container, politely for so long. */
  async stop(container: string, patienceMs: number): Promise<void> {
    const t = Math.ceil(patienceMs / 1000);
    await this.#unlessMissing(
      'stop',
      (options) => this.#docker.getContainer(container).stop({ ...options, t }),
      patienceMs + stopGraceMs,
    );
  }

  async kill(container: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#unlessMissing('kill', (options) => this.#docker.getContainer(container).kill({ ...options, signal }));
  }

  /** Removes a container, killing what runs in it; resolves when there is none of that name, nor can it start again. */
  async remove(container: string): Promise<void> {
    await this.#unlessMissing(
      'remove',
      (options) => this.#docker.getContainer(container).remove({ ...options, force: true }),
      slowMs,
    );
  }

  /** The last lines that the container wrote. */
  async lastLines(container: string, lines: number): Promise<string> {
    const text = await this.#unlessMissing('read the log of', (options) =>
      this.#docker.getContainer(container).logs({ ...options, stdout: true, stderr: true, tail: lines, follow: false }),
    );
    return text === undefined ? '' : withoutFrames(Buffer.isBuffer(text) ? text : Buffer.from(String(text)));
  }

  /** Where the engine keeps images and volumes, on its own machine. */
  async dataRoot(): Promise<string> {
    const { DockerRootDir } = await this.#call('info', quickMs, (options) =>
      (this.#docker.info as (options: object) => Promise<{ DockerRootDir: string }>).call(this.#docker, options),
    );
    return DockerRootDir;
  }

  async createVolume(name: string, labels: Record<string, string>): Promise<void> {
    await this.#call('create a volume', quickMs, (options) =>
      this.#docker.createVolume({ ...options, Name: name, Labels: labels }),
    );
  }

  async removeVolume(name: string): Promise<void> {
    await this.#unlessMissing('remove a volume', (options) => this.#docker.getVolume(name).remove(options), slowMs);
  }

  /** Undefined when it is not here. */
  async image(reference: string): Promise<Image | undefined> {
    const found = await this.#unlessMissing('look for an image', (options) =>
      this.#docker.getImage(reference).inspect(options),
    );
    if (!found) return undefined;
    const user = /^(\d+):(\d+)$/.exec(found.Config.User ?? '');
    const postgresql = found.Config.Labels?.['pgherd.postgresql'];
    return { id: found.Id, user: user ? { uid: Number(user[1]), gid: Number(user[2]) } : undefined, postgresql };
  }

  /** Fetches an image; tells how far it is, from 0 to 1. */
  async pull(reference: string, onProgress: (share: number) => void, signal: AbortSignal): Promise<void> {
    const stream = await this.#docker.pull(reference, { abortSignal: signal });
    const layers = new Map<string, { readonly current: number; readonly total: number }>();
    await new Promise<void>((resolve, reject) => {
      const finished = (error: Error | null) => (error ? reject(error) : resolve());
      this.#docker.modem.followProgress(stream, finished, (event: PullEvent) => {
        if (!event.id || !event.progressDetail?.total) return;
        layers.set(event.id, { current: event.progressDetail.current ?? 0, total: event.progressDetail.total });
        const sum = (of: 'current' | 'total') => [...layers.values()].reduce((all, layer) => all + layer[of], 0);
        onProgress(sum('current') / sum('total'));
      });
    });
  }

  /** Takes the images of a file that `docker save` made; tells how far it is, from 0 to 1. */
  async load(file: string, onProgress: (share: number) => void, signal: AbortSignal): Promise<void> {
    const { size } = await stat(file);
    const content = createReadStream(file);
    content.on('data', () => onProgress(content.bytesRead / size));
    const stream = await this.#docker.loadImage(content, { abortSignal: signal, quiet: true } as object);
    await new Promise<void>((resolve, reject) => {
      this.#docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
    });
  }

  /**
   * Tells of containers until the signal aborts or the engine hangs up; `onOpen` is called when nothing can be missed
   * any more. Not filtered by the engine: podman's filters are not Docker's.
   */
  async follow(onOpen: () => void, onEvent: (event: EngineEvent) => void, signal: AbortSignal): Promise<void> {
    const opened = new AbortController();
    const cancel = this.#clock.after(quickMs, () =>
      opened.abort(new EngineDeadlineError(this.#late('events', quickMs))),
    );
    const abort = () => opened.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const stream = await this.#docker.getEvents({
        abortSignal: opened.signal,
        filters: JSON.stringify({ type: ['container'] }),
      });
      cancel();
      onOpen();
      let rest = '';
      stream.setEncoding('utf8');
      for await (const chunk of stream as AsyncIterable<string>) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const event = parseEvent(line);
          if (event) onEvent(event);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw opened.signal.aborted ? opened.signal.reason : error;
    } finally {
      cancel();
      signal.removeEventListener('abort', abort);
    }
  }

  /** The call's result, undefined when the engine says that there is no such thing. */
  async #unlessMissing<T>(what: string, call: (options: object) => Promise<T>, ms = quickMs): Promise<T | undefined> {
    try {
      return await this.#call(what, ms, call);
    } catch (error) {
      // 304: it is already so. 409 from kill: it does not run.
      if ([404, 304].includes((error as { statusCode?: number }).statusCode ?? 0)) return undefined;
      if (what === 'kill' && (error as { statusCode?: number }).statusCode === 409) return undefined;
      throw error;
    }
  }

  /** Calls the engine, and gives up after a time. */
  #call<T>(what: string, ms: number, call: (options: object) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = new AbortController();
      const cancel = this.#clock.after(ms, () => {
        reject(new EngineDeadlineError(this.#late(what, ms)));
        deadline.abort();
      });
      call({ abortSignal: deadline.signal })
        .then(resolve, (error: Error) => reject(this.#explained(error)))
        .finally(cancel);
    });
  }

  #late(what: string, ms: number): string {
    return `the container engine at ${this.name} did not answer within ${ms / 1000} s (${what})`;
  }

  #explained(error: Error & { json?: { message?: string }; statusCode?: number; code?: string }): Error {
    if (error.statusCode !== undefined) {
      const message = error.json?.message ?? error.message;
      return Object.assign(new Error(message, { cause: error }), { statusCode: error.statusCode });
    }
    return new Error(`the container engine at ${this.name} cannot be reached: ${error.message}`, { cause: error });
  }
}

/** Lets go of an answer that is a stream: unread, it would hold its connection, and this process, for ever. */
function answered(stream: unknown): void {
  (stream as Readable | undefined)?.resume?.();
}

interface PullEvent {
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

function parseEvent(line: string): EngineEvent | undefined {
  try {
    const { Action, Actor } = JSON.parse(line) as { Action: string; Actor?: { Attributes?: Record<string, string> } };
    return { action: Action, labels: Actor?.Attributes ?? {} };
  } catch {
    return undefined;
  }
}

/** Output of a container without a terminal comes in frames: a byte for the stream, three zeros, a length, the text. */
export function withoutFrames(output: Buffer): string {
  const texts: Buffer[] = [];
  let at = 0;
  while (at + 8 <= output.length && output.readUIntBE(at, 4) % 0x1000000 === 0 && (output[at] ?? 9) <= 2) {
    const length = output.readUInt32BE(at + 4);
    texts.push(output.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  texts.push(output.subarray(at));
  return Buffer.concat(texts).toString('utf8');
}
