import {
  constants,
  Http2ServerRequest,
  Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Clock } from '../../time/clock.ts';
import { KvError } from '../kv-error.ts';
import { decode, encodeFrame } from '../wire/protobuf.ts';
import { Frames } from './frames.ts';
import { GrpcCall } from './grpc-call.ts';
import type { HttpAnswer } from './http.ts';
import type { Caller, Method, Questions, StreamMethod, UnaryMethod } from './method.ts';

export interface GrpcOptions {
  readonly methods: ReadonlyMap<string, Method>;
  readonly clock: Clock;
  /** What is nobody's refusal is a fault of ours: it is told here, and the caller is told no details. */
  readonly onFault: (error: unknown, path: string) => void;
  readonly onCall: (path: string, code: KvError['code'] | 'OK') => void;
}

/** Answers that wait for one client to read them. */
const mostWaitingBytes = 64 * 1024 * 1024;

/** Answers gRPC calls on one HTTP/2 connection; what else is asked there is for `answer`. */
export function serveGrpc(
  session: ServerHttp2Session,
  certificateName: string | undefined,
  options: GrpcOptions,
  answer: HttpAnswer,
): void {
  session.on('error', () => {});
  const waiting = { bytes: 0 };
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const path = headers[constants.HTTP2_HEADER_PATH] as string;
    const isGrpc = String(headers[constants.HTTP2_HEADER_CONTENT_TYPE]).startsWith('application/grpc');
    // With TLS, curl and others speak HTTP/2 to the gateway, too.
    if (!isGrpc) return answer(new Http2ServerRequest(stream, headers, {}, []), new Http2ServerResponse(stream));
    if (headers[constants.HTTP2_HEADER_METHOD] !== 'POST') {
      stream.respond({ ':status': 405 }, { endStream: true });
      stream.close();
      return;
    }
    const call = new GrpcCall(stream);
    const method = options.methods.get(path);
    if (!method) {
      call.fail(unknown(path, options.methods));
      return;
    }
    call.startDeadline(headers, options.clock);
    const caller = { token: tokenOf(headers), certificateName };
    if (method.kind === 'unary') serveUnary(stream, call, method, caller, waiting, options);
    else serveStream(stream, call, method, caller, options);
  });
}

type KnownCaller = Omit<Caller, 'requestBytes'>;

function serveUnary(
  stream: ServerHttp2Stream,
  call: GrpcCall,
  method: UnaryMethod<unknown, unknown>,
  caller: KnownCaller,
  waiting: { bytes: number },
  options: GrpcOptions,
): void {
  const frames = new Frames();
  let asked = false;
  let answerBytes = 0;
  stream.once('close', () => {
    call.stopDeadline?.();
    waiting.bytes -= answerBytes;
  });
  stream.on('data', (chunk: Buffer) => {
    if (asked) return;
    try {
      frames.push(chunk);
      const bytes = frames.next();
      if (!bytes) return;
      asked = true;
      // Who asks and does not read must not fill the memory with answers.
      if (waiting.bytes > mostWaitingBytes) throw new KvError('ResourceExhausted', 'etcdserver: too many requests');
      const request = decode(method.request, bytes);
      method.handle(request, { ...caller, requestBytes: bytes.length }).then(
        (response) => {
          options.onCall(method.path, 'OK');
          if (call.isOver) return;
          const frame = encodeFrame(method.response, response);
          answerBytes = frame.length;
          waiting.bytes += answerBytes;
          call.answer(frame);
        },
        (error: unknown) => fail(call, error, method.path, options),
      );
    } catch (error) {
      asked = true;
      fail(call, error, method.path, options);
    }
  });
  stream.once('end', () => {
    if (!asked) fail(call, new KvError('Internal', 'grpc: the call ended before its message'), method.path, options);
  });
}

function serveStream(
  stream: ServerHttp2Stream,
  call: GrpcCall,
  method: StreamMethod<unknown, unknown>,
  caller: KnownCaller,
  options: GrpcOptions,
): void {
  const frames = new Frames();
  let requestBytes = 0;
  const failed = (error: unknown) => fail(call, error, method.path, options);
  const questions: Questions<unknown> = method.open(
    {
      write: (response) => call.write(encodeFrame(method.response, response)),
      end: () => {
        options.onCall(method.path, 'OK');
        call.end();
      },
      fail: failed,
    },
    {
      ...caller,
      get requestBytes() {
        return requestBytes;
      },
    },
  );
  let busy = false;
  let ended = false;
  const work = async (): Promise<void> => {
    try {
      for (let bytes = frames.next(); bytes && !call.isOver; bytes = frames.next()) {
        requestBytes = bytes.length;
        const done: unknown = questions.next(decode(method.request, bytes));
        if (done instanceof Promise) await done;
      }
    } catch (error) {
      failed(error);
    }
    busy = false;
    if (ended) questions.end();
    else stream.resume();
  };
  stream.on('data', (chunk: Buffer) => {
    frames.push(chunk);
    if (busy) return;
    busy = true;
    stream.pause();
    void work();
  });
  stream.once('end', () => {
    ended = true;
    if (!busy) questions.end();
  });
  stream.on('drain', () => questions.drained());
  stream.once('close', () => {
    call.stopDeadline?.();
    questions.closed();
  });
}

function fail(call: GrpcCall, error: unknown, path: string, options: GrpcOptions): void {
  const refusal = refusalOf(error, path, options.onFault);
  options.onCall(path, refusal.code);
  call.fail(refusal);
}

function unknown(path: string, methods: GrpcOptions['methods']): KvError {
  const [, service, name] = path.split('/');
  const isKnown = [...methods.keys()].some((each) => each.startsWith(`/${service}/`));
  const what = isKnown ? `method ${name} for service ${service}` : `service ${service}`;
  return new KvError('Unimplemented', `unknown ${what}`);
}

/** What the caller is told. */
export function refusalOf(error: unknown, path: string, onFault: GrpcOptions['onFault']): KvError {
  if (error instanceof KvError) return error;
  onFault(error, path);
  return new KvError('Internal', 'etcdserver: internal error, see the log of the server');
}

function tokenOf(headers: IncomingHttpHeaders): string | undefined {
  const token = headers['token'] ?? headers['authorization'];
  return typeof token === 'string' && token !== '' ? token : undefined;
}
