/**
 * A client that costs little: raw HTTP/2 streams, messages made before, answers not decoded.
 * `load.js <endpoint> <kind> <clients> <milliseconds>` prints one JSON line.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { frame } from '../../../src/store/grpc-frame.ts';
import { type Message, methodOf } from '../../fixtures/kv/protocol.ts';
import { distribution } from '../figure.ts';

const [, , endpoint = '', kind = 'put', clientsText = '1', durationText = '3000'] = process.argv;
const clients = Number(clientsText);
const durationMs = Number(durationText);
const value = 'v'.repeat(200);
const keyOf = (i: number) => `bench/${String(i).padStart(6, '0')}`;

const requests: Readonly<Record<string, readonly [string, (i: number) => Message]>> = {
  put: ['KV/Put', (i) => ({ key: keyOf(i), value })],
  txn: [
    'KV/Txn',
    (i) => ({
      compare: [{ key: keyOf(i), target: 'MOD', result: 'GREATER', mod_revision: '-1' }],
      success: [{ request_put: { key: keyOf(i), value } }],
      failure: [{ request_range: { key: keyOf(i) } }],
    }),
  ],
  range: ['KV/Range', (i) => ({ key: keyOf(i) })],
  'range-10000': ['KV/Range', () => ({ key: 'ten-thousand/', range_end: 'ten-thousand0' })],
};

const [method, request] = requests[kind] as (typeof requests)[string];
const { grpcPath, encode } = methodOf(method);
const frames = Array.from({ length: 5000 }, (_, i) => frame(encode(request(i))));
const headers = { ':method': 'POST', ':path': grpcPath, 'content-type': 'application/grpc', te: 'trailers' };
const sessions = Array.from({ length: Math.min(4, clients) }, open);
await Promise.all(sessions.map((session) => new Promise((resolve) => session.once('connect', resolve))));

// Half a second to warm up.
await play(500);
const { took, elapsedMs } = await play(durationMs);
const { p50, p99 } = distribution(took);
console.log(JSON.stringify({ perSecond: (took.length * 1000) / elapsedMs, p50, p99 }));
process.exit(0);

function open(): ClientHttp2Session {
  const windowBytes = 64 * 1024 * 1024;
  const session = connect(endpoint, {
    settings: { enablePush: false, initialWindowSize: windowBytes },
    maxSessionMemory: Number.MAX_SAFE_INTEGER,
  });
  session.once('connect', () => session.setLocalWindowSize(windowBytes));
  return session;
}

async function play(ms: number): Promise<{ took: number[]; elapsedMs: number }> {
  const took: number[] = [];
  const beganMs = performance.now();
  const until = beganMs + ms;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const session = sessions[client % sessions.length] as ClientHttp2Session;
      while (performance.now() < until) took.push(await call(session));
    }),
  );
  return { took, elapsedMs: performance.now() - beganMs };
}

function call(session: ClientHttp2Session): Promise<number> {
  return new Promise((resolve, reject) => {
    const beganMs = performance.now();
    const stream = session.request(headers);
    let status: unknown;
    const look = (received: NodeJS.Dict<string | string[]>) => {
      status ??= received['grpc-status'];
    };
    stream.on('response', look);
    stream.on('trailers', look);
    stream.once('close', () => {
      if (status === '0') resolve(performance.now() - beganMs);
      else reject(new Error(`status ${String(status)}`));
    });
    stream.on('error', reject);
    stream.resume();
    stream.end(frames[Math.floor(Math.random() * frames.length)]);
  });
}
