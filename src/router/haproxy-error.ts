/** What went wrong with HAProxy, stable for programs. */
export type HaproxyErrorCode =
  | 'not-installed'
  | 'config-refused'
  | 'port-taken'
  | 'socket-path-too-long'
  | 'unreachable'
  | 'command-refused';

export class HaproxyError extends Error {
  readonly code: HaproxyErrorCode;

  constructor(code: HaproxyErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'HaproxyError';
    this.code = code;
  }
}
