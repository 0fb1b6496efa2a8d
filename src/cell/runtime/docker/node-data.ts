import { lchown, mkdir, rm } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import type { MountSettings } from 'dockerode';
import type { NodeId } from '../../../schema/ids.ts';
import type { Clock } from '../../../time/clock.ts';
import type { NodeUser } from '../process/command-line.ts';
import type { Engine } from './engine.ts';
import { cellLabel, nodeLabel } from './labels.ts';

/** What the data of new nodes are in. */
export type DataKind = 'volume' | 'directory';

/** How the data of a cell's nodes are kept. */
export interface NodeDataOptions {
  readonly engine: Engine;
  readonly cell: string;
  readonly kind: DataKind;
  /** Where directories are made. */
  readonly directory: string;
  readonly clock: Clock;
}

/**
 * The data of nodes: named volumes of the engine, or directories of this machine that are mounted into containers. A name
 * that is a path is a directory, so a node keeps what it began with, whatever new ones get.
 */
export class NodeData {
  readonly #options: NodeDataOptions;

  constructor(options: NodeDataOptions) {
    this.#options = options;
  }

  /** A name that no data had before: some that were put aside may still be there. */
  newName(node: NodeId): string {
    const { kind, directory, clock } = this.#options;
    const name = `cf-${node}-${clock.now().toString(36)}`;
    return kind === 'volume' ? name : join(directory, name);
  }

  /** Makes sure that it is there, for the user that the container runs as. */
  async make(name: string, node: NodeId, { uid, gid }: Pick<NodeUser, 'uid' | 'gid'>): Promise<void> {
    const { engine, cell } = this.#options;
    if (!isAbsolute(name)) return engine.createVolume(name, { [cellLabel]: cell, [nodeLabel]: node });
    await mkdir(name, { recursive: true, mode: 0o700 });
    await lchown(name, uid, gid);
  }

  /** Deletes it with everything in it; rejects while a container has it. */
  async erase(name: string): Promise<void> {
    const { engine, directory } = this.#options;
    if (!isAbsolute(name)) return engine.removeVolume(name);
    if (!name.startsWith(directory + sep)) throw new Error(`${name} is not in ${directory}, where nodes' data are`);
    await rm(name, { recursive: true, force: true });
  }
}

/** How it is mounted into a container. */
export const mountOf = (name: string, target: string): MountSettings => ({
  Type: isAbsolute(name) ? 'bind' : 'volume',
  Source: name,
  Target: target,
});
