import type { Command, Option } from 'commander';
import { conditionTypes } from '../schema/observed-state.ts';
import { kinds } from './resources/kinds.ts';

/** What could stand where the cursor is: words that are known, or the ids of a kind, which are in the store. */
export interface Candidates {
  readonly words: readonly string[];
  /** Names of the kinds whose ids fit, as `pgherd get` knows them. */
  readonly idsOf: readonly string[];
}

/** What the tree does not say: arguments and options that take one of several words, … */
const wordsBySlot: Readonly<Record<string, readonly string[]>> = {
  'get kind': kinds.map(({ names }) => names[0]),
  'describe kind-or-id': ['instance', 'cell'],
  'wait --for': ['Deleted', ...conditionTypes],
};

/** … and those that take ids. */
const idsBySlot: Readonly<Record<string, string>> = {
  'describe kind-or-id': 'instances',
  'describe id': 'cells',
  'switchover --to': 'nodes',
};

/** Completes the last of the words that follow `pgherd`, from the tree of commands itself. */
export function candidatesFor(program: Command, words: readonly string[]): Candidates {
  const typed = words.slice(0, -1);
  const last = words.at(-1) ?? '';
  const { command, given, pending } = walk(program, typed);
  if (pending) return optionValue(command, pending);
  if (last.startsWith('-')) {
    const options = [...command.options, ...(command === program ? [] : program.options)];
    return onlyWords([...options.map(({ long }) => long), '--help']);
  }
  if (command === program) return onlyWords(visible(program));
  return argument(command, given);
}

interface Position {
  readonly command: Command;
  /** Arguments of the command that are there already. */
  readonly given: readonly string[];
  /** The option whose value comes next. */
  readonly pending: Option | undefined;
}

function walk(program: Command, words: readonly string[]): Position {
  let command = program;
  let pending: Option | undefined;
  const given: string[] = [];
  for (const word of words) {
    if (pending) {
      pending = undefined;
    } else if (word.startsWith('-')) {
      const options = [...command.options, ...program.options];
      const option = options.find(({ short, long }) => word === short || word === long);
      pending = option && !option.isBoolean() ? option : undefined;
    } else {
      const sub = command === program ? program.commands.find((each) => each.name() === word) : undefined;
      if (sub) command = sub;
      else given.push(word);
    }
  }
  return { command, given, pending };
}

function optionValue(command: Command, option: Option): Candidates {
  const name = `${command.name()} ${option.long}`;
  const kind = idsBySlot[name];
  return { words: wordsBySlot[name] ?? option.argChoices ?? [], idsOf: kind ? [kind] : [] };
}

function argument(command: Command, given: readonly string[]): Candidates {
  const slot = command.registeredArguments[given.length];
  if (!slot) return onlyWords([]);
  if (command.name() === 'get' && given[0]) return { words: [], idsOf: given[0].split(',') };
  const name = `${command.name()} ${slot.name()}`;
  const kind = idsBySlot[name] ?? (slot.name() === 'id' ? 'instances' : undefined);
  return { words: wordsBySlot[name] ?? slot.argChoices ?? [], idsOf: kind ? [kind] : [] };
}

// Commands that begin with two underscores are for programs.
const visible = (program: Command): string[] =>
  program.commands.map((each) => each.name()).filter((name) => !name.startsWith('__'));

const onlyWords = (words: readonly (string | null | undefined)[]): Candidates => ({
  words: words.flatMap((word) => word ?? []),
  idsOf: [],
});
