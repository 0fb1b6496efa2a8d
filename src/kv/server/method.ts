import type { KvError } from '../kv-error.ts';
import type { MessageType } from '../wire/schema.ts';

/** Who calls, as the connection and its headers tell. */
export interface Caller {
  readonly token: string | undefined;
  /** Common name of the certificate that was shown and verified. */
  readonly certificateName: string | undefined;
  /** Size of the question as a protobuf message. */
  readonly requestBytes: number;
}

/** One question, one answer. */
export interface UnaryMethod<Request, Response> {
  readonly kind: 'unary';
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Of the gateway, without its `/v3`; none: not served there. */
  readonly gateway: readonly string[];
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
  handle(request: Request, caller: Caller): Promise<Response>;
}

/** Questions and answers in both directions, each at its own pace. */
export interface StreamMethod<Request, Response> {
  readonly kind: 'stream';
  readonly path: string;
  readonly gateway: readonly string[];
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
  /** The gateway ends its response after such an answer: its clients take no notice of it otherwise. */
  isLast?(response: Response): boolean;
  open(answers: Answers<Response>, caller: Caller): Questions<Request>;
}

export type Method = UnaryMethod<unknown, unknown> | StreamMethod<unknown, unknown>;

/** What a stream method does with what it is sent. */
export interface Questions<Request> {
  /** While the promise is open nothing more is read. */
  next(request: Request): void | Promise<void>;
  /** No more questions will come; the stream itself goes on until it is closed. */
  end(): void;
  /** The stream is over, whoever ended it. */
  closed(): void;
  /** After a write that returned false: there is room again. */
  drained(): void;
}

/** The other direction of a stream. */
export interface Answers<Response> {
  /** Returns false when the client does not keep up: what is written all the same waits in memory. */
  write(response: Response): boolean;
  end(): void;
  fail(error: KvError): void;
}

/** Leaves the types of a method at its door. */
export const method = <Request, Response>(
  declaration: UnaryMethod<Request, Response> | StreamMethod<Request, Response>,
): Method => declaration as unknown as Method;
