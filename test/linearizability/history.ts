/** What a client asked of one key. */
export type Action =
  | { readonly type: 'get' }
  | { readonly type: 'put'; readonly value: string }
  | { readonly type: 'delete' }
  /** Writes `value` if the key holds `expected`. */
  | { readonly type: 'swap'; readonly expected: string | undefined; readonly value: string };

/** What it was told. An answer that was lost says nothing: the action may have happened, at any time since, or never. */
export type Answer =
  | { readonly type: 'lost' }
  | { readonly type: 'read'; readonly value: string | undefined; readonly revision: bigint }
  | { readonly type: 'done'; readonly wrote: boolean; readonly revision: bigint };

/** One call, from its beginning to its end on one clock. */
export interface Call {
  readonly client: number;
  readonly key: string;
  readonly action: Action;
  readonly answer: Answer;
  readonly beganMs: number;
  /** Infinity when the answer was lost. */
  readonly endedMs: number;
}

/** The value that a key has after an action, and whether the action could have given this answer. */
export function apply(
  before: string | undefined,
  { action, answer }: Pick<Call, 'action' | 'answer'>,
): { readonly after: string | undefined } | undefined {
  switch (action.type) {
    case 'get':
      return answer.type === 'lost' || (answer.type === 'read' && answer.value === before)
        ? { after: before }
        : undefined;
    case 'put':
      return { after: action.value };
    case 'delete':
      return answered(answer, before !== undefined, undefined);
    case 'swap':
      return before === action.expected ? answered(answer, true, action.value) : answered(answer, false, before);
  }
}

function answered(answer: Answer, wrote: boolean, after: string | undefined) {
  if (answer.type === 'done' && answer.wrote !== wrote) return undefined;
  return { after };
}
