/** What a transaction did to one list. */
export type Action =
  | { readonly type: 'append'; readonly list: number; readonly value: number }
  /** `values` is what it saw, its own appends included. */
  | { readonly type: 'read'; readonly list: number; readonly values: readonly number[] };

/**
 * What its client was told: that it is committed, that it is not, or nothing. Without an answer it may have committed, at
 * any time since, or never.
 */
export type Outcome = 'committed' | 'aborted' | 'unknown';

/** One transaction as its client saw it, on one clock. No two appends of a history have the same value. */
export interface Transaction {
  readonly client: number;
  readonly actions: readonly Action[];
  readonly outcome: Outcome;
  readonly beganMs: number;
  /** Infinity when there was no answer. */
  readonly endedMs: number;
}

/** For messages: `client 2 [append 7 to 1, read 1: … 6 7]`. */
export function print({ client, actions, outcome }: Transaction): string {
  const said = actions.map((action) =>
    action.type === 'append'
      ? `append ${action.value} to ${action.list}`
      : `read ${action.list}: ${action.values.length > 3 ? '… ' : ''}${action.values.slice(-3).join(' ')}`,
  );
  return `client ${client} ${outcome} [${said.join(', ')}]`;
}
