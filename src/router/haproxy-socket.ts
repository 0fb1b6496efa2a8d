import { connect } from 'node:net';
import type { Clock } from '../time/clock.ts';
import { HaproxyError } from './haproxy-error.ts';

// sun_path holds 107 characters, and HAProxy first binds a temporary name that is longer by its pid.
const maxPathLength = 97;

// HAProxy answers in less than a millisecond, but it may be busy starting or listing its whole state.
const answerWithinMs = 10_000;

// A line must fit HAProxy's buffer of 16 KiB with room to spare.
const maxLineLength = 8_000;

/** HAProxy's runtime API on a Unix socket: one connection per request, so that an answer ends where it ends. */
export class HaproxySocket {
  readonly path: string;
  readonly #clock: Clock;

  constructor(path: string, clock: Clock) {
    if (path.length > maxPathLength) {
      throw new HaproxyError(
        'socket-path-too-long',
        `socket path ${path} has ${path.length} characters, at most ${maxPathLength} are possible: choose a shorter data directory`,
      );
    }
    this.path = path;
    this.#clock = clock;
  }

  /** Sends one line and returns the answer. */
  ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.path);
      let answer = '';
      const fail = (cause: Error) => {
        cancel();
        socket.destroy();
        reject(new HaproxyError('unreachable', `ask haproxy at ${this.path}`, { cause }));
      };
      const cancel = this.#clock.after(answerWithinMs, () => fail(new Error(`no answer in ${answerWithinMs} ms`)));
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => {
        answer += chunk;
      });
      socket.on('error', fail);
      socket.on('end', () => {
        cancel();
        resolve(answer);
      });
      socket.end(`${line}\n`);
    });
  }

  /**
   * Runs groups of `set server` and `shutdown sessions` commands in order. A group is never torn apart: it goes out in
   * one line on one connection, and HAProxy works it off without a pause in which we could die.
   */
  async command(groups: readonly (readonly string[])[]): Promise<void> {
    for (const line of joinGroups(groups)) {
      const answer = await this.ask(line);
      const complaint = answer.split('\n').find((each) => each !== '' && !isConfirmation(each));
      if (complaint !== undefined) {
        throw new HaproxyError('command-refused', `haproxy refused a command: ${complaint} in ${line.slice(0, 400)}`);
      }
    }
  }

  /** Resolves when the process at the other end is gone, as soon as it is. */
  async gone(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wasConnected = await this.#connectedUntilClosed(signal);
      // A connection also ends when it idled for too long: only one that cannot be made at all tells.
      if (!wasConnected) return;
    }
  }

  #connectedUntilClosed(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.path);
      let wasConnected = false;
      const stop = () => socket.destroy();
      signal.addEventListener('abort', stop, { once: true });
      socket.on('connect', () => {
        wasConnected = true;
      });
      socket.on('error', () => {});
      socket.on('end', () => socket.destroy());
      socket.on('close', () => {
        signal.removeEventListener('abort', stop);
        resolve(wasConnected);
      });
      socket.resume();
    });
  }
}

const isConfirmation = (line: string): boolean => /^(no need to change the addr|IP changed from )/.test(line);

function joinGroups(groups: readonly (readonly string[])[]): string[] {
  const lines: string[] = [];
  let line = '';
  for (const group of groups) {
    const text = group.join(';');
    if (line !== '' && line.length + text.length > maxLineLength) {
      lines.push(line);
      line = '';
    }
    line += `${line === '' ? '' : ';'}${text}`;
  }
  if (line !== '') lines.push(line);
  return lines;
}
