import { keyOf } from '../../engine/cache.ts';
import type { Change, Entry } from '../../engine/informer.ts';
import { parseBindingKey } from '../../schema/binding.ts';
import { type CellRegistration, registeredPrefix } from '../../schema/cell.ts';
import type { NodeId } from '../../schema/ids.ts';
import { parseObservedKey } from '../../schema/observed-node.ts';
import type { Parsed } from '../../schema/parsed.ts';
import { decideBindings, type NodeBindings } from '../decide/registrar.ts';
import type { CellFact } from './facts-of-keys.ts';
import type { Herd } from './herd.ts';
import type { Informers } from './informers.ts';

/** The registrar keys of every node, and which change calls for a look at them. */
export class BindingIndex {
  readonly #informers: Informers;
  readonly #herd: Herd;
  readonly #keys = new Map<NodeId, Set<string>>();

  constructor(informers: Informers, herd: Herd) {
    this.#informers = informers;
    this.#herd = herd;
    informers.bindings.onChange((change) => this.#index(change));
  }

  /** Asks for a pass over nodes whose keys may have become wrong. */
  wakeOnChange(wake: (node: NodeId) => void): void {
    this.#informers.bindings.onChange((change) => {
      const name = parseBindingKey(keyOf(change));
      if (name && change.type === 'put' && !this.#isTrue(name.node)) wake(name.node);
    });
    this.#informers.cells.onChange((change) => {
      const node = parseObservedKey(keyOf(change))?.node;
      if (node && this.#keys.has(node) && !this.#isTrue(node)) wake(node);
      else if (keyOf(change).startsWith(registeredPrefix)) this.#wakeNamed(change, wake);
    });
  }

  /** What is known about the registrar keys of a node now. */
  view(node: NodeId): NodeBindings {
    const bindings = [...(this.#keys.get(node) ?? [])].flatMap((key) => {
      const entry = this.#informers.bindings.get(key);
      const name = parseBindingKey(key);
      return entry && name ? [{ name, entry, onLease: entry.leaseId !== 0n }] : [];
    });
    const observed = this.#herd.observed(node);
    return { bindings, observed, cellsNamed: (hostname) => this.#herd.cellIndex.named(hostname) };
  }

  #isTrue(node: NodeId): boolean {
    return decideBindings(this.view(node)).ops.length === 0;
  }

  #index(change: Change<string>): void {
    const key = keyOf(change);
    const name = parseBindingKey(key);
    if (!name) return;
    const keys = this.#keys.get(name.node) ?? new Set();
    if (change.type === 'put') keys.add(key);
    else keys.delete(key);
    if (keys.size > 0) this.#keys.set(name.node, keys);
    else this.#keys.delete(name.node);
  }

  // A cell that comes, goes or is renamed decides about all keys with its host name. That is rare: look at all.
  #wakeNamed(change: Change<CellFact>, wake: (node: NodeId) => void): void {
    const [before, after] = [change.old, change.type === 'put' ? change.entry : undefined].map(hostnameOf);
    if (before === after) return;
    for (const keys of this.#keys.values()) {
      for (const key of keys) {
        const name = parseBindingKey(key);
        if (name && (name.hostname === before || name.hostname === after)) wake(name.node);
      }
    }
  }
}

function hostnameOf(entry: Entry<CellFact> | undefined): string | undefined {
  const registration: Parsed<CellRegistration> | undefined =
    entry?.value.kind === 'registration' ? entry.value.value : undefined;
  return registration?.ok ? registration.value.hostname : undefined;
}
