/** Throws unless it holds. Claims are made millions of times, so they are cheaper than assertions of chai. */
export function claim(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`not true: ${what}`);
}
