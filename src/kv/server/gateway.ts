import { STATUS_CODES } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { grpcCode, KvError } from '../kv-error.ts';
import { fromJson, toJson } from '../wire/json.ts';
import { JsonIncomplete, JsonReader } from '../wire/json-values.ts';
import { encode } from '../wire/protobuf.ts';
import { maxMessageBytes } from './frames.ts';
import { type GrpcOptions, refusalOf } from './grpc.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import type { Caller, Method, Questions, StreamMethod, UnaryMethod } from './method.ts';

/** How etcd 3.4 says it in HTTP. */
const httpStatus: Readonly<Record<KvError['code'], number>> = {
  Canceled: 408,
  Unknown: 500,
  InvalidArgument: 400,
  DeadlineExceeded: 504,
  NotFound: 404,
  PermissionDenied: 403,
  ResourceExhausted: 429,
  FailedPrecondition: 412,
  OutOfRange: 400,
  Unimplemented: 501,
  Internal: 500,
  Unavailable: 503,
  Unauthenticated: 401,
};

/** In base64, and with what surrounds it. */
const maxBodyBytes = maxMessageBytes * 2;
const prefixes = /^\/v3(?:alpha|beta)?(?=\/)/;
const fullBytes = 1024 * 1024;

/** The same methods as JSON over plain HTTP, as etcd's gateway has them. */
export class Gateway {
  readonly #options: GrpcOptions;
  readonly #methods = new Map<string, Method>();

  constructor(options: GrpcOptions) {
    this.#options = options;
    for (const method of options.methods.values()) {
      for (const path of method.gateway) this.#methods.set(path, method);
    }
  }

  /** Whether the path is one of the gateway's at all. */
  serves(path: string): boolean {
    return prefixes.test(path);
  }

  handle(path: string, request: HttpRequest, response: HttpResponse): void {
    const method = this.#methods.get(path.replace(prefixes, ''));
    if (!method || request.method !== 'POST') {
      answerText(response, method ? 405 : 404, method ? 'Method Not Allowed' : 'Not Found');
      return;
    }
    const token = request.headers.authorization;
    // A certificate does not count here: it may be that of a proxy.
    const caller = { token: token === '' ? undefined : token, certificateName: undefined };
    if (method.kind === 'unary') this.#unary(method, caller, request, response);
    else this.#stream(method, caller, request, response);
  }

  #unary(
    method: UnaryMethod<unknown, unknown>,
    caller: Omit<Caller, 'requestBytes'>,
    request: HttpRequest,
    response: HttpResponse,
  ): void {
    const answer = async (): Promise<void> => {
      const body = await bodyOf(request);
      const reader = new JsonReader(body);
      const asked = fromJson(method.request, reader.isAtEnd ? new Map() : reader.value());
      const requestBytes = sizeOf(method, asked, body);
      const answered = await method.handle(asked, { ...caller, requestBytes });
      this.#options.onCall(method.path, 'OK');
      const json = Buffer.from(JSON.stringify(toJson(method.response, answered)));
      const headers = { 'Content-Type': 'application/json', 'Grpc-Metadata-Content-Type': 'application/grpc' };
      response.writeHead(200, { ...headers, 'Content-Length': json.length });
      response.end(json);
    };
    answer().catch((error: unknown) => this.#fail(error, method, response));
  }

  #stream(
    method: StreamMethod<unknown, unknown>,
    caller: Omit<Caller, 'requestBytes'>,
    request: HttpRequest,
    response: HttpResponse,
  ): void {
    const begin = () => {
      if (response.headersSent) return;
      const headers = { 'Content-Type': 'application/json', 'Grpc-Metadata-Content-Type': 'application/grpc' };
      response.writeHead(200, headers);
    };
    const fail = (failure: unknown) => {
      const refusal = refusalOf(failure, method.path, this.#options.onFault);
      this.#options.onCall(method.path, refusal.code);
      if (response.writableEnded) return;
      const status = httpStatus[refusal.code];
      if (!response.headersSent) response.writeHead(status, { 'Content-Type': 'application/json' });
      const { message, code } = refusal;
      const error = { grpc_code: grpcCode[code], http_code: status, message, http_status: STATUS_CODES[status] };
      response.end(JSON.stringify({ error }));
    };
    const questions = method.open(
      {
        write: (answer) => {
          if (response.writableEnded || response.destroyed) return true;
          begin();
          response.write(`${JSON.stringify({ result: toJson(method.response, answer) })}\n`);
          if (method.isLast?.(answer)) {
            this.#options.onCall(method.path, 'OK');
            response.end();
          }
          return response.writableLength < fullBytes;
        },
        end: () => {
          this.#options.onCall(method.path, 'OK');
          begin();
          response.end();
        },
        fail,
      },
      { ...caller, requestBytes: 0 },
    );
    response.on('drain', () => questions.drained());
    response.once('close', () => questions.closed());
    request.once('error', () => {});
    askAll(method, questions, request, response).catch((error: unknown) => {
      // What is not JSON is no call yet, and after the first answer etcd only ends.
      if (!(error instanceof JsonError)) fail(error);
      else if (response.headersSent) response.end();
      else this.#fail(new KvError('Unknown', error.message), method, response);
    });
  }

  #fail(error: unknown, method: Method, response: HttpResponse): void {
    const refusal = refusalOf(error, method.path, this.#options.onFault);
    this.#options.onCall(method.path, refusal.code);
    if (response.headersSent || response.destroyed) return;
    const { message, code } = refusal;
    const json = JSON.stringify({ error: message, message, code: grpcCode[code] });
    response.writeHead(httpStatus[code], { 'Content-Type': 'application/json' });
    response.end(json);
  }
}

/** Asks one question after the other, as they arrive. */
async function askAll(
  method: StreamMethod<unknown, unknown>,
  questions: Questions<unknown>,
  request: HttpRequest,
  response: HttpResponse,
): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let text = '';
  const take = async (isLast: boolean): Promise<void> => {
    const reader = new JsonReader(text);
    let taken = 0;
    try {
      while (!reader.isAtEnd && !response.writableEnded) {
        const value = inForm(() => reader.value());
        taken = reader.at;
        await questions.next(inForm(() => fromJson(method.request, value)));
      }
      taken = text.length;
    } catch (error) {
      if (isLast || !(error instanceof JsonError && error.cause instanceof JsonIncomplete)) throw error;
    }
    text = text.slice(taken);
  };
  for await (const chunk of request as AsyncIterable<Buffer>) {
    text += decoder.write(chunk);
    if (text.length > maxBodyBytes) throw tooLarge(text.length);
    await take(false);
    if (response.writableEnded) return;
  }
  await take(true);
  questions.end();
}

/** What was sent is not a question in JSON. */
class JsonError extends Error {}

function inForm<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    throw new JsonError((cause as Error).message, { cause });
  }
}

async function bodyOf(request: HttpRequest): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw tooLarge(bytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** As it would be in gRPC; measured only where it could matter. */
function sizeOf(method: Method, asked: unknown, body: string): number {
  if (body.length < maxMessageBytes / 2) return body.length / 2;
  const { length } = encode(method.request, asked);
  if (length > maxMessageBytes) throw tooLarge(length);
  return length;
}

const tooLarge = (bytes: number): KvError =>
  new KvError('ResourceExhausted', `grpc: received message larger than max (${bytes} vs. ${maxMessageBytes})`);

/** A plain answer for people. */
export function answerText(response: HttpResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' });
  response.end(`${text}\n`);
}
