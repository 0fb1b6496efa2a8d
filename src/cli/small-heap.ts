import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the heap of a daemon near what is alive in it. Left alone, V8 lets garbage grow to two or three times of that
 * after a burst and gives it back late; daemons live beside databases that have better use for the memory. Set here, so
 * that it holds however the daemon was started; it costs about a twentieth of its processor time under load. The first
 * line of `main.ts` bounds what is young, which can only be done before the program begins.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=25');
}
