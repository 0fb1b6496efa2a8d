import { join } from 'node:path';
import { desiredStateKey, desiredStatePrefix } from '../../schema/desired-state.ts';
import type { InstanceId } from '../../schema/ids.ts';
import { prefixRange, type Store } from '../../store/store.ts';
import { exitCodes, Failure } from '../failure.ts';
import type { GlobalOptions } from '../global-options.ts';
import { herdRanges, readHerd } from '../read-herd.ts';
import { listAll } from '../session.ts';
import { waitFor } from '../wait-for.ts';
import { Interrupted, type World } from '../world.ts';
import { Children } from './children.ts';
import { type Component, componentsOf, type HerdOptions } from './components.ts';
import { choosePorts, etcdAnswers, etcdUrl, portsAreFree } from './etcd.ts';
import { followEvents } from './follow-events.ts';
import { recall, remember } from './memory.ts';
import { portAnswers } from './port-answers.ts';
import { allPresent, allReady } from './readiness.ts';
import { storeOf } from './store-choice.ts';
import { welcome } from './welcome.ts';

const patienceMs = 300_000;
const portPatienceMs = 30_000;
const portPauseMs = 100;
const exampleId = 'example' as InstanceId;
const nodesOfExample = 3;

/** A whole herd on this machine, as children of this process. */
export class LocalHerd {
  readonly #options: HerdOptions;
  readonly #world: World;
  readonly #children: Children;

  constructor(options: HerdOptions, world: World) {
    this.#options = options;
    this.#world = world;
    this.#children = new Children(world, join(options.dataDir, 'log'));
  }

  /** Starts everything, says what runs and follows events until the signal aborts; then stops everything in order. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#run(AbortSignal.any([signal, this.#children.broken]));
    } catch (error) {
      // Ctrl-C is how one ends this command.
      if (!(error instanceof Interrupted)) throw error;
    } finally {
      await this.#stop();
    }
  }

  /** Ends everything at once. Databases may be left running; the next `up` takes them over. */
  kill(): void {
    this.#world.stderr.write('killing\n');
    this.#children.kill();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { dataDir } = this.#options;
    const world = this.#world;
    const known = recall(dataDir);
    const storeKind = storeOf(dataDir, known, this.#options.store);
    const memory = known ?? { etcd: await choosePorts(), store: storeKind, example: false };
    remember(dataDir, memory);
    await portsAreFree(memory.etcd, dataDir, world, signal);
    const [keeper = [], ...daemons] = await componentsOf(this.#options, storeKind, memory.etcd, world);
    const url = etcdUrl(memory.etcd);
    const store = world.connect({ endpoints: [url] });
    try {
      this.#tell(`starting a herd in ${dataDir}`);
      this.#children.start(keeper);
      await etcdAnswers(store, world, signal);
      for (const group of daemons) this.#children.start(group);
      await this.#wait(store, 'the herd', signal, allPresent(this.#options.cells));
      if (!memory.example) {
        await this.#createExample(store, signal);
        remember(dataDir, { ...memory, example: true });
      }
      await this.#waitForInstances(store, signal);
      this.#children.started();
      await this.#welcome(store, url, [...keeper, ...daemons.flat()], signal);
      await followEvents(store, world, signal);
    } finally {
      await store.close();
    }
  }

  async #createExample(store: Store, signal: AbortSignal): Promise<void> {
    const { kvs } = await store.list(prefixRange(desiredStatePrefix), { signal });
    if (kvs.length > 0) return;
    const nodes = Math.min(nodesOfExample, this.#options.cells);
    const value = `# An example, made by the first \`pgherd up\`.\nplan: standard\nparameters: {node-count: ${nodes}}\n`;
    this.#tell(`creating instance ${exampleId} of ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`);
    await store.txn({ if: [], then: [{ type: 'put', key: desiredStateKey(exampleId), value }] }, { signal });
  }

  /** Instances that do not become ready are no reason to stop: the operator is told, and can look. */
  async #waitForInstances(store: Store, signal: AbortSignal): Promise<void> {
    try {
      await this.#wait(store, 'the instances', signal, allReady);
      if (this.#options.runtime !== 'simulated') await this.#waitForPorts(store, signal);
    } catch (error) {
      if (!(error instanceof Failure && error.exitCode === exitCodes.timeout)) throw error;
      this.#tell(error.message);
    }
  }

  /** The routes are live; what is left is that HAProxy's own checks see it, too. */
  async #waitForPorts(store: Store, signal: AbortSignal): Promise<void> {
    const { clock } = this.#world;
    const deadlineMs = clock.monotonic() + portPatienceMs;
    const herd = readHerd(await listAll(store, herdRanges, signal));
    for (const { id, state } of herd.instances.values()) {
      const endpoint = state?.ok ? state.value.endpoint : undefined;
      while (endpoint !== undefined && !(await portAnswers(endpoint, signal))) {
        if (clock.monotonic() > deadlineMs) return this.#tell(`${id} does not answer at ${endpoint} yet`);
        await clock.sleep(portPauseMs, signal);
      }
    }
  }

  async #welcome(store: Store, url: string, components: readonly Component[], signal: AbortSignal): Promise<void> {
    const herd = readHerd(await listAll(store, herdRanges, signal));
    const running = components.map((component) => ({ ...component, pid: this.#children.pid(component.name) }));
    this.#world.stdout.write(welcome(running, herd, url, this.#options, this.#world));
  }

  #wait(store: Store, what: string, signal: AbortSignal, look: Parameters<typeof waitFor>[2]): Promise<void> {
    const options: GlobalOptions = { logLevel: 'error' };
    return waitFor(store, herdRanges, look, { world: this.#world, options, signal, what, timeoutMs: patienceMs });
  }

  #stop(): Promise<void> {
    return this.#children.stop((names) => this.#tell(`stopping ${names.join(', ')}`));
  }

  #tell(text: string): void {
    this.#world.stderr.write(`${text}\n`);
  }
}
