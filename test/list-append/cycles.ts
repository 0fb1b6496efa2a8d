import type { Dependencies, Reason } from './dependencies.ts';

/** A step of a cycle: a node, and why it comes before the next one. */
export interface Step {
  readonly node: number;
  readonly reason: Reason;
}

/** A shortest cycle of every part of the graph in which each node comes before each other. */
export function cyclesOf({ after }: Pick<Dependencies, 'after'>): Step[][] {
  return components(after)
    .filter((component) => component.length > 1)
    .map((component) => shortestCycle(component, after));
}

/** Tarjan's, with a stack of its own: a history is deeper than the stack of calls. */
function components(after: Dependencies['after']): number[][] {
  const found: number[][] = [];
  const index = new Map<number, number>();
  const low: number[] = [];
  const open: number[] = [];
  const isOpen = new Set<number>();
  const visiting: { readonly node: number; readonly rest: Iterator<number> }[] = [];
  const visit = (node: number) => {
    index.set(node, index.size);
    low[node] = index.get(node) as number;
    open.push(node);
    isOpen.add(node);
    visiting.push({ node, rest: (after[node] as ReadonlyMap<number, Reason>).keys() });
  };
  for (const start of after.keys()) {
    if (!index.has(start)) visit(start);
    for (let current = visiting.at(-1); current; current = visiting.at(-1)) {
      const { node, rest } = current;
      const next = rest.next();
      if (!next.done) {
        if (!index.has(next.value)) visit(next.value);
        else if (isOpen.has(next.value)) low[node] = Math.min(low[node] as number, index.get(next.value) as number);
        continue;
      }
      visiting.pop();
      const parent = visiting.at(-1)?.node;
      if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[node] as number);
      if (low[node] !== index.get(node)) continue;
      const component = open.splice(open.lastIndexOf(node));
      for (const member of component) isOpen.delete(member);
      found.push(component);
    }
  }
  return found;
}

// Enough to find a short one; a broken history may be one large component.
const startsTried = 50;

function shortestCycle(component: readonly number[], after: Dependencies['after']): Step[] {
  const inside = new Set(component);
  let shortest: Step[] | undefined;
  for (const start of component.slice(0, startsTried)) {
    const cycle = cycleThrough(start, inside, after);
    if (!shortest || cycle.length < shortest.length) shortest = cycle;
  }
  return shortest as Step[];
}

function cycleThrough(start: number, inside: ReadonlySet<number>, after: Dependencies['after']): Step[] {
  const from = new Map<number, Step>();
  const queue = [start];
  for (const node of queue) {
    for (const [next, reason] of after[node] as ReadonlyMap<number, Reason>) {
      if (!inside.has(next) || from.has(next)) continue;
      from.set(next, { node, reason });
      if (next !== start) queue.push(next);
    }
  }
  const cycle: Step[] = [];
  let step = from.get(start) as Step;
  for (; step.node !== start; step = from.get(step.node) as Step) cycle.unshift(step);
  return [step, ...cycle];
}
