import { StoreError } from '../store/store-error.ts';

/** How a command ends, as `pgherd --help` documents it. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, timeout: 3, interrupted: 130 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A command could not do what it was asked to; the message is for the operator, one line. */
export class Failure extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, options: { readonly exitCode?: ExitCode; readonly cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'Failure';
    this.exitCode = options.exitCode ?? exitCodes.failed;
  }
}

/** A program that was run for the operator ended badly and has said why itself: we end as it did. */
export class ProgramEnded extends Error {
  readonly exitCode: number;

  constructor(program: string, exitCode: number) {
    super(`${program} ended with exit code ${exitCode}`);
    this.name = 'ProgramEnded';
    this.exitCode = exitCode;
  }
}

/** The command was called wrongly. */
export const usageFailure = (message: string): Failure => new Failure(message, { exitCode: exitCodes.usage });

/** An error and what caused it, in one line. */
export function inOneLine(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null; at = causeOf(at)) {
    const text = (at instanceof Error ? at.message : String(at)).replaceAll(/\s*\n\s*/g, ' ').trim();
    if (text && !parts.some((part) => part.includes(text))) parts.push(text);
  }
  return parts.join(': ');
}

// The store's own message holds the words of its client already.
const causeOf = (error: unknown): unknown =>
  error instanceof Error && !(error instanceof StoreError) ? error.cause : undefined;
