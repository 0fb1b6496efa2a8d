import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { World } from '../world.ts';
import { Child } from './child.ts';
import type { Component } from './components.ts';

/** How often a program may end before the herd is ready. */
const patience = 3;

interface Group {
  readonly children: readonly Child[];
  readonly stop: AbortController;
  readonly ended: Promise<unknown>;
}

/** The programs of a herd on this machine: started group by group, stopped in the opposite order. */
export class Children {
  readonly #world: World;
  readonly #logDir: string;
  readonly #groups: Group[] = [];
  readonly #ends = new Map<string, number>();
  readonly #broken = new AbortController();
  #starting = true;

  constructor(world: World, logDir: string) {
    this.#world = world;
    this.#logDir = logDir;
  }

  /** Aborts when one of them does not stay up while the herd is being started. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  pid(name: string): number | undefined {
    return this.#all().find((child) => child.name === name)?.pid;
  }

  start(components: readonly Component[]): void {
    const stop = new AbortController();
    const children = components.map((component) => this.#child(component));
    const ended = Promise.all(children.map((child) => child.run(stop.signal)));
    ended.catch((error) => this.#broken.abort(error));
    this.#groups.push({ children, stop, ended });
  }

  /** From now on whoever ends is started again for ever. */
  started(): void {
    this.#starting = false;
  }

  /** Stops them in order; `tell` is called before each group. */
  async stop(tell: (names: readonly string[]) => void): Promise<void> {
    for (const { children, stop, ended } of this.#groups.reverse()) {
      tell(children.map(({ name }) => name));
      stop.abort();
      await ended.catch(() => {});
    }
  }

  /** Ends all of them at once. */
  kill(): void {
    for (const { stop } of this.#groups) stop.abort();
    for (const child of this.#all()) child.kill();
  }

  #all(): readonly Child[] {
    return this.#groups.flatMap(({ children }) => children);
  }

  #child({ name, command, graceMs }: Component): Child {
    const { clock, env, stderr } = this.#world;
    const logFile = join(this.#logDir, `${name}.log`);
    return new Child({
      ...{ name, command, graceMs, clock, logFile },
      env: environmentOf(env),
      onEnd: (how, againInMs) => {
        const ends = (this.#ends.get(name) ?? 0) + 1;
        this.#ends.set(name, ends);
        if (this.#starting && ends >= patience) {
          this.#broken.abort(new Failure(`${name} does not stay up, it ${how}: ${lastLine(logFile)} (see ${logFile})`));
          return;
        }
        stderr.write(`${name} ${how}; starting it again in ${(againInMs / 1000).toFixed(1)} s (see ${logFile})\n`);
      },
    });
  }
}

/** What is set for `up` is not meant for them: they get all they need as options. */
function environmentOf(env: World['env']): World['env'] {
  const own = Object.entries(env).filter(([variable]) => !variable.startsWith('PGHERD_'));
  // Users find HAProxy, too, where Debian has it.
  return { ...Object.fromEntries(own), PATH: `${env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}

function lastLine(file: string): string {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.at(-1) ?? '';
}
