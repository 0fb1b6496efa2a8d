import { expect } from 'chai';
import { runController } from '../../src/controller/controller-daemon.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { Registry } from '../../src/engine/metrics.ts';
import { desiredStateKey } from '../../src/schema/desired-state.ts';
import { type CellId, type InstanceId, instanceOfNode, type NodeId } from '../../src/schema/ids.ts';
import { type ObservedState, stateKey } from '../../src/schema/observed-state.ts';
import { leaderKey } from '../../src/schema/patroni.ts';
import { shape } from '../controller/support/shape.ts';
import { Simulation } from '../controller/support/simulation.ts';
import { World } from '../controller/support/world.ts';
import { Promises } from './promises/promises.ts';
import { seedEverything, seeded } from './random.ts';
import { SimClock } from './sim-clock.ts';
import { type Faults, SimStore } from './sim-store.ts';
import { ids, type Step, zones } from './steps.ts';

const roundMs = 700;
const takeoverMs = 45_000;
const mostRounds = 300;

interface ControllerUnderTest {
  readonly store: SimStore;
  readonly stop: AbortController;
  isOver: boolean;
  readonly ended: Promise<unknown>;
}

const upgraded = (document: { readonly parameters?: object }): object => ({
  ...document,
  parameters: { ...document.parameters, version: 16 },
});

/** A whole control plane in this process: real controllers on a store in memory, simulated cells, Patroni and router. */
export class Run {
  readonly clock = new SimClock();
  readonly world = new World();
  readonly simulation = new Simulation(this.world);
  readonly promises: Promises;
  readonly #faults: Faults = { unreliable: false, lossy: false };
  readonly #random: () => number;
  readonly #controllers: ControllerUnderTest[] = [];
  readonly #lost = new Set<CellId>();
  /** Their agents are gone, and what they run runs on. */
  readonly #silent = new Set<CellId>();
  readonly #graceMs: number;
  #compacted = 0n;
  #wasLossy = false;
  #failure: unknown;
  /** Steps that were taken, rounds included. */
  steps = 0;

  constructor(seed: number) {
    seedEverything(seed);
    this.#random = seeded(seed ^ 0xfa17);
    this.#graceMs = seed % 2 === 0 ? 0 : 24 * 3_600_000;
    this.promises = new Promises(this.simulation, this.clock, this.#graceMs);
    for (const [cell, zone] of Object.entries(zones)) this.world.cell(cell, zone);
  }

  /** Takes the steps, then lets everything heal, and judges where it ends. */
  async play(steps: readonly Step[], last: readonly object[]): Promise<void> {
    try {
      for (const step of steps) {
        this.#ensureController();
        await this.#take(step);
        this.#check();
      }
      await this.#heal();
      for (const [at, id] of ids.entries()) this.world.apply(id, last[at]);
      await this.#settle();
      await this.#judgeEnd(last);
    } finally {
      await this.#end();
    }
  }

  async #take(step: Step): Promise<void> {
    const { world, simulation, clock } = this;
    this.steps += 1;
    switch (step[0]) {
      case 'apply':
        return world.apply(step[1], step[2]);
      case 'pause':
        return world.apply(step[1], { ...step[2], paused: true });
      case 'upgrade': {
        // Of data that there are: refused, for ever.
        const state = world.json<Partial<ObservedState>>(stateKey(step[1] as InstanceId));
        if (!world.text(desiredStateKey(step[1] as InstanceId))) return;
        if (state?.postgresql_version === undefined || state.deleting) return;
        return world.apply(step[1], upgraded(step[2]));
      }
      case 'break':
        return world.apply(step[1], '{a: [');
      case 'delete':
        return world.delete(`/serviceinstances/${step[1]}`);
      case 'cell':
        return simulation.stepCell(step[1] as CellId);
      case 'patroni':
        return simulation.stepPatroni(step[1] as InstanceId);
      case 'router':
        return simulation.stepRouter();
      case 'round':
        return this.#round(this.#random() < 0.5);
      case 'pass':
        return clock.advance(step[1]);
      case 'kill': {
        const running = [...simulation.running.keys()];
        const node = running[step[1] % Math.max(1, running.length)];
        if (node) simulation.kill(node);
        return;
      }
      case 'lose':
        if (!this.#isThere(step[1] as CellId)) return;
        simulation.loseCell(step[1] as CellId);
        this.#lost.add(step[1] as CellId);
        return;
      case 'silence':
        if (!this.#isThere(step[1] as CellId)) return;
        simulation.silenceCell(step[1] as CellId);
        this.#silent.add(step[1] as CellId);
        return;
      case 'return':
        return this.#return(step[1] as CellId);
      case 'cordon':
        return world.put(`/cells/maintenance/${step[1]}`, { mode: 'cordon' });
      case 'drain': {
        const deadline = new Date(clock.now() + 300_000).toISOString();
        return world.put(`/cells/maintenance/${step[1]}`, { mode: 'drain', deadline });
      }
      case 'forget':
        if (this.#lost.has(step[1] as CellId)) world.put(`/cells/maintenance/${step[1]}`, { mode: 'forget' });
        return;
      case 'uncordon':
        return world.delete(`/cells/maintenance/${step[1]}`);
      case 'cannotFollow': {
        const leader = world.text(leaderKey(step[1] as InstanceId));
        const replica = [...simulation.running.keys()].find(
          (node) => instanceOfNode(node) === step[1] && node !== leader,
        );
        if (replica && leader) simulation.broken.add(replica);
        return;
      }
      case 'heals':
        for (const node of simulation.broken) if (instanceOfNode(node) === step[1]) simulation.broken.delete(node);
        return;
      case 'compact':
        if (this.#compacted < world.keyspace.revision) world.keyspace.compact(world.keyspace.revision);
        this.#compacted = world.keyspace.revision;
        return;
      case 'unreliable':
        this.#faults.unreliable = true;
        return;
      case 'lossy':
        this.#faults.lossy = true;
        this.#wasLossy = true;
        return;
      case 'reliable':
        this.#faults.unreliable = false;
        this.#faults.lossy = false;
        return;
      case 'standby':
        if (this.#alive().length < 2) this.#start();
        return;
      case 'outage':
        return this.#outage(step[1]);
      case 'jump':
        return clock.jump(step[1]);
      case 'crash': {
        const [, writes, reaches] = step;
        for (const { store } of this.#alive()) store.dieAfter = { writes, reaches };
      }
    }
  }

  /** Everybody does what is due; a router may be slow. */
  async #round(isRouterQuick = true): Promise<void> {
    const { simulation } = this;
    await this.clock.advance(roundMs);
    this.#check();
    for (const cell of simulation.cells()) simulation.stepCell(cell);
    for (const id of ids) simulation.stepPatroni(id as InstanceId);
    if (isRouterQuick) simulation.stepRouter();
  }

  async #outage(ms: number): Promise<void> {
    for (const { store } of this.#alive()) store.disconnect();
    for (let passed = 0; passed < ms; passed += 4_000) {
      await this.clock.advance(4_000);
      this.simulation.stepAll(ids);
    }
    for (const { store } of this.#alive()) store.reconnect();
  }

  #isThere(cell: CellId): boolean {
    return !this.#lost.has(cell) && !this.#silent.has(cell);
  }

  #return(cell: CellId): void {
    if (this.#silent.delete(cell)) this.simulation.unsilenceCell(cell, zones[cell] as string);
    if (this.#lost.delete(cell)) this.simulation.returnCell(cell, zones[cell] as string);
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
    this.promises.look();
  }

  #alive(): ControllerUnderTest[] {
    return this.#controllers.filter(({ isOver }) => !isOver);
  }

  // Whoever runs a controller starts it again when it ends.
  #ensureController(): void {
    if (this.#alive().length === 0) this.#start();
  }

  #start(): void {
    const { clock, world, promises } = this;
    const stop = new AbortController();
    const onTxn: ConstructorParameters<typeof SimStore>[0]['onTxn'] = (request, apply) => {
      try {
        return promises.transaction(request, apply);
      } catch (error) {
        this.#failure ??= error;
        throw error;
      }
    };
    const store = new SimStore({ clock, keyspace: world.keyspace, faults: this.#faults, random: this.#random, onTxn });
    const write = (line: string) => {
      try {
        promises.secrets.tells('a log', line);
      } catch (error) {
        this.#failure ??= error;
      }
    };
    const logger = createLogger({ level: 'info', format: 'json', destination: { write } });
    const controller: ControllerUnderTest = {
      store,
      stop,
      isOver: false,
      ended: runController(
        {
          ...{ store, clock, logger, registry: new Registry(), identity: `c${this.#controllers.length}` },
          settings: { portRange: world.settings.portRange, deletionGraceMs: this.#graceMs, portQuarantineMs: 0 },
        },
        stop.signal,
      ).catch((error: unknown) => error),
    };
    const over = () => {
      controller.isOver = true;
    };
    void controller.ended.then(over);
    store.onDeath = () => {
      over();
      stop.abort();
    };
    this.#controllers.push(controller);
  }

  /** Everything that was broken is whole again. */
  async #heal(): Promise<void> {
    const { world, simulation } = this;
    this.#faults.unreliable = false;
    this.#faults.lossy = false;
    for (const { store } of this.#alive()) {
      store.dieAfter = undefined;
      store.reconnect();
    }
    simulation.broken.clear();
    for (const cell of [...this.#lost, ...this.#silent]) this.#return(cell);
    for (const cell of Object.keys(zones)) world.delete(`/cells/maintenance/${cell}`);
    this.#ensureController();
    // What nobody told is found by the audit of every informer, within half an hour.
    if (this.#wasLossy) await this.clock.advance(31 * 60_000);
  }

  async #settle(): Promise<void> {
    let quiet = 0;
    for (let round = 0; quiet < 4; round++) {
      if (round === mostRounds) throw new Error(`not settled after ${mostRounds} rounds`);
      this.#ensureController();
      const before = this.#mark();
      await this.#round();
      // A leader that died is succeeded when its lease has run out.
      if (quiet === 3) await this.clock.advance(takeoverMs);
      this.steps += 1;
      this.#check();
      quiet = this.#mark() === before ? quiet + 1 : 0;
    }
  }

  /** Differs whenever anything but events and elections has changed. */
  #mark(): string {
    let highest = 0n;
    let count = 0;
    for (const { key, modRevision } of this.world.pairs()) {
      if (key.startsWith('/pgherd/')) continue;
      count += 1;
      if (modRevision > highest) highest = modRevision;
    }
    return `${count} ${highest}`;
  }

  async #judgeEnd(last: readonly object[]): Promise<void> {
    const { world, promises } = this;
    const { writes } = promises;
    await this.clock.advance(40_000);
    this.#check();
    expect(promises.writes, 'writes at rest').to.equal(writes);
    // P3: it ends where a fresh create of the last documents ends.
    const fresh = new World();
    for (const [cell, zone] of Object.entries(zones)) fresh.cell(cell, zone);
    for (const [at, id] of ids.entries()) fresh.apply(id, last[at]);
    new Simulation(fresh).settle(ids);
    for (const id of ids) expect(shape(world, id), `where ${id} ends`).to.deep.equal(shape(fresh, id));
    const assigned = world.keys('/cells/assignments/').map((key) => key.split('/')[4] as NodeId);
    expect([...this.simulation.running.keys()].sort(), 'what runs').to.deep.equal(assigned.sort());
  }

  async #end(): Promise<void> {
    for (const { stop, store } of this.#controllers) {
      stop.abort();
      store.reconnect();
    }
    await this.clock.advance(10_000);
    await Promise.all(this.#controllers.map(({ ended }) => ended));
  }
}
