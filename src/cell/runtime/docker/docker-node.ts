import type { Assignment } from '../../../schema/assignment.ts';
import { containerName } from '../../../schema/binding.ts';
import type { Account } from '../../../schema/credentials.ts';
import type { NodeId } from '../../../schema/ids.ts';
import type { Clock } from '../../../time/clock.ts';
import { askForRestart } from '../ask-for-restart.ts';
import { isAlive } from '../process/proof.ts';
import type { NodeOrder, NodePorts, NodeSight, Proof, Readiness } from '../runtime.ts';
import { StatusPoller } from '../status-poller.ts';
import { type ContainerSettings, containerFiles, containerOf, inside } from './container.ts';
import type { Engine, Inspection } from './engine.ts';
import { type HostPorts, isPortTaken } from './host-ports.ts';
import type { Images } from './images.ts';
import type { NodeData } from './node-data.ts';
import { type DockerRecord, RecordDirectory } from './node-record.ts';
import { type Host, identifyRun, isKnown, proveGone } from './proof.ts';
import { tarOf } from './tar.ts';

/** What all nodes of a cell share. */
export interface DockerSurroundings {
  readonly engine: Engine;
  readonly images: Images;
  readonly data: NodeData;
  readonly host: Host;
  readonly ports: HostPorts;
  readonly settings: ContainerSettings;
  readonly clock: Clock;
  readonly stopPatienceMs: number;
  readonly killPatienceMs: number;
  readonly onChange: (node: NodeId) => void;
}

// How long to wait before a container is asked to stop once more.
const politenessMs = 500;
const portAttempts = 5;
const keptLines = 200;
const ownWord = 'pgherd-node: ';

/** One node of the docker runtime: its record, its container and, while that runs, what its Patroni says. */
export class DockerNode {
  readonly #directory: RecordDirectory;
  readonly #around: DockerSurroundings;
  #record: DockerRecord;
  #watched: Watched | undefined;
  #unexpected: string | undefined;
  /** Whether it is known how the last container ended; until then something general is said. */
  #explained = false;
  /** While the agent itself is at the container, what the engine tells of it is no news. */
  #busy = false;

  constructor(directory: RecordDirectory, record: DockerRecord, around: DockerSurroundings) {
    this.#directory = directory;
    this.#record = record;
    this.#around = around;
  }

  get record(): DockerRecord {
    return this.#record;
  }

  get isRunning(): boolean {
    return this.#watched !== undefined;
  }

  get #container(): string {
    return containerName(this.#record.node);
  }

  see(): NodeSight {
    const { instance, specHash, ports, started, complete } = this.#record;
    if (!started) return { state: 'stopped', instance, specHash };
    if (!this.#watched) return { state: 'ended', instance, specHash, unexpected: this.#unexpected, complete };
    const { pid } = this.#record.run?.init ?? {};
    return {
      state: 'running',
      instance,
      specHash,
      ports: this.#reachable(ports),
      looksItselfUp: true,
      ...(pid !== undefined && { pid }),
      directory: `docker logs ${this.#container}`,
      patroni: this.#watched.poller.status,
      complete,
    };
  }

  #reachable(ports: DockerRecord['ports']): NodePorts {
    const { address } = this.#around.settings;
    return { postgresql: `${address}:${ports.postgresql}`, patroni: `${address}:${ports.patroni}` };
  }

  /** Takes over what an earlier agent left; resolves when its Patroni was asked once. */
  async adopt(): Promise<void> {
    if (!this.#record.started) return;
    this.#unexpected = 'it ended while no agent was watching';
    await this.look();
    await this.#watched?.poller.asked;
  }

  /** Asks the engine how the container is. */
  async look(): Promise<void> {
    if (this.#busy || !this.#record.started) return;
    const found = await this.#around.engine.inspect(this.#container);
    if (this.#busy || !this.#record.started) return;
    if (found?.running) {
      await this.#startedAgain(found);
      if (!this.#watched) this.#watch();
      return;
    }
    await this.#ended(found);
  }

  readiness(order: Assignment): Promise<Readiness> {
    return this.#around.images.readiness(order, this.#watched?.poller.status?.postgresqlVersion);
  }

  async start(order: NodeOrder): Promise<void> {
    const { instance, node, spec_hash: specHash } = order.assignment;
    const { engine, images, data } = this.#around;
    const { run: _, ...before } = this.#record;
    const image = await images.get(order.assignment.container_image);
    const readiness = await this.readiness(order.assignment);
    if (readiness.state === 'impossible') throw new Error(readiness.why);
    this.#busy = true;
    try {
      await this.#remember({ ...before, instance, node, specHash, started: true });
      this.#unexpected = 'it could not be started';
      this.#explained = false;
      // One that was created and never started, by an agent that crashed in between.
      await engine.remove(this.#container);
      await data.make(this.#record.volume, node, image.user);
      await this.#run(order, image);
      const found = await engine.inspect(this.#container);
      if (!found?.running) return await this.#ended(found);
      await this.#identify(found);
      this.#watch();
    } finally {
      this.#busy = false;
    }
  }

  /** Creates and starts the container; on other ports when the engine finds that those are taken. */
  async #run(order: NodeOrder, { id: image, user }: { id: string; user: { uid: number; gid: number } }): Promise<void> {
    const { engine, ports, settings } = this.#around;
    for (let attempt = 1; ; attempt += 1) {
      const container = containerOf(order, { ...this.#record, image }, settings);
      await engine.create(container);
      try {
        await engine.putFiles(this.#container, tarOf(containerFiles(order, settings), user));
        await engine.start(this.#container);
        return;
      } catch (error) {
        if (!isPortTaken(error as Error) || attempt >= portAttempts) throw error;
        await engine.remove(this.#container);
        // The old ones stay reserved: whoever has them is not one of ours.
        await this.#remember({ ...this.#record, ports: ports.choose() });
      }
    }
  }

  async #remember(record: DockerRecord): Promise<void> {
    await this.#directory.write(record);
    this.#record = record;
  }

  #watch(): void {
    const { clock, onChange } = this.#around;
    const watched: Watched = { poller: new StatusPoller(), polling: new AbortController(), stopping: false };
    this.#watched = watched;
    this.#explained = false;
    const changed = () => onChange(this.#record.node);
    void watched.poller.run(this.#reachable(this.#record.ports).patroni, clock, changed, watched.polling.signal);
    changed();
  }

  /** Remembers which process the container's first one is: later, only its end can be proved. */
  async #identify({ id, pid }: Inspection): Promise<void> {
    const { host } = this.#around;
    const { run: _, ...record } = this.#record;
    const run = identifyRun(pid, id, host);
    await this.#remember({ ...record, ...(run && { run }) });
  }

  /** Somebody else has started the container again. */
  async #startedAgain(found: Inspection): Promise<void> {
    const { host } = this.#around;
    const { table } = host;
    const { run } = this.#record;
    if (!run || isKnown(found.pid, run, host)) return;
    // The engine says that the earlier run is over; the kernel does not.
    if (isAlive(run, table)) await this.#remember({ ...this.#record, doubtfulSince: table.bootId() });
    await this.#identify(found);
  }

  async #ended(found: Inspection | undefined): Promise<void> {
    const watched = this.#watched;
    if (this.#explained) return;
    const how = found ? await this.#howItEnded(found) : 'its container is gone';
    if (this.#watched !== watched || this.#explained) return;
    this.#explained = true;
    this.#unexpected = watched?.stopping ? undefined : how;
    watched?.polling.abort();
    this.#watched = undefined;
    this.#around.onChange(this.#record.node);
  }

  /** The end of a container as a sentence, with the last thing it said. */
  async #howItEnded({ exitCode, outOfMemory, everStarted, error }: Inspection): Promise<string> {
    if (!everStarted) return `its container could not be started: ${error || 'the engine does not say why'}`;
    const output = await this.#around.engine.lastLines(this.#container, keptLines).catch(() => '');
    await this.#directory.keepOutput(output).catch(() => {});
    const reason = outOfMemory ? 'it was killed because its memory was used up' : `exit code ${exitCode}`;
    const last = lastOwnWord(output);
    return `its container ended (${reason})${last ? `; it said: ${last}` : ''}; see ${this.#directory.path}/output.log`;
  }

  async stop(): Promise<void> {
    const watched = this.#watched;
    if (!watched) return;
    const { engine, clock, stopPatienceMs } = this.#around;
    watched.stopping = true;
    const deadlineMs = clock.monotonic() + stopPatienceMs;
    // Again and again, because the first process of a container does not get signals that it has no handler for yet.
    while (this.#watched === watched && clock.monotonic() < deadlineMs) {
      await engine.kill(this.#container, 'SIGTERM');
      await clock.sleep(politenessMs, watched.polling.signal).catch(() => {});
      await this.look();
    }
    if (this.#watched !== watched) return;
    await engine.stop(this.#container, 0);
    await this.look();
    if (this.#watched === watched) throw new Error(`container ${this.#container} runs although the engine stopped it`);
  }

  async prove(): Promise<Proof> {
    const { engine, host, clock, killPatienceMs } = this.#around;
    const container = this.#container;
    if (await engine.inspect(container)) {
      await this.#remember({ ...this.#record, hadData: await engine.has(container, inside.data) });
    }
    const proof = await proveGone(container, this.#record, { engine, host, clock, patienceMs: killPatienceMs });
    if (proof === 'unproven') await this.#remember({ ...this.#record, doubtfulSince: host.table.bootId() });
    return proof;
  }

  async settle(): Promise<void> {
    const { run: _, hadData: __, ...record } = this.#record;
    await this.#remember({ ...record, started: false });
  }

  restartPending(admin: Account): Promise<void> {
    return askForRestart(this.#reachable(this.#record.ports).patroni, admin, this.#around.clock);
  }

  async complete(): Promise<void> {
    await this.#remember({ ...this.#record, complete: true });
  }

  /** Leaves the data where they are, under their name, and goes on with others. */
  async putDataAside(noteAt: string, volume: string): Promise<boolean> {
    if (!this.#record.hadData) return false;
    await new RecordDirectory(noteAt).write(this.#record);
    await this.#remember({ ...this.#record, volume, hadData: false });
    return true;
  }

  async erase(): Promise<void> {
    const { engine, ports, data } = this.#around;
    await engine.remove(this.#container);
    await data.erase(this.#record.volume);
    await this.#directory.erase();
    ports.release(this.#record.ports);
  }

  async discard(to: string): Promise<void> {
    await this.#around.engine.remove(this.#container);
    await this.#directory.moveTo(to);
    this.#around.ports.release(this.#record.ports);
  }

  /** Stops watching; the container runs on. */
  leave(): void {
    this.#watched?.polling.abort();
  }
}

/** What our own entry point said last. Patroni and PostgreSQL may quote tenants, and are not for everybody to read. */
const lastOwnWord = (output: string): string | undefined =>
  output
    .trimEnd()
    .split('\n')
    .findLast((line) => line.startsWith(ownWord))
    ?.slice(ownWord.length, 500);

interface Watched {
  readonly poller: StatusPoller;
  readonly polling: AbortController;
  stopping: boolean;
}
