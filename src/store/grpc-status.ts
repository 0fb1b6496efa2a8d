import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';

/** A call ended with another status than OK; `code` is that of gRPC. */
export class GrpcError extends Error {
  readonly code: number;

  constructor(code: number, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'GrpcError';
    this.code = code;
  }
}

export const deadlineExceeded = 4;
export const resourceExhausted = 8;
export const unavailable = 14;

/** Follows a call and tells, once it has ended, why it failed. */
export function outcomeOf(stream: ClientHttp2Stream): () => GrpcError | undefined {
  let headers: IncomingHttpHeaders = {};
  let failure: Error | undefined;
  stream.on('response', (received) => {
    headers = received;
  });
  stream.on('trailers', (received) => {
    headers = received;
  });
  stream.on('error', (error) => {
    failure = error;
  });
  return () => {
    const status = headers['grpc-status'];
    if (status === '0') return undefined;
    if (status !== undefined) {
      return new GrpcError(Number(status), unescapeMessage(String(headers['grpc-message'] ?? 'no reason given')));
    }
    const http = String(headers[':status'] ?? '200');
    const why = failure?.message ?? (http === '200' ? 'the connection was lost' : `HTTP status ${http}`);
    return new GrpcError(unavailable, why, { cause: failure });
  };
}

function unescapeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
