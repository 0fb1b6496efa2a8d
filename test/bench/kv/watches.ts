/**
 * `watches.js <endpoint> delay <puts>`: milliseconds from sending a put to its event, one put after the other.
 * `watches.js <endpoint> fan-out <watchers> <puts>`: events a second when many watch one prefix.
 */
import { connect } from 'node:http2';
import { frame } from '../../../src/store/grpc-frame.ts';
import { GrpcClient } from '../../fixtures/kv/grpc-client.ts';
import { methodOf } from '../../fixtures/kv/protocol.ts';
import { distribution } from '../figure.ts';

const [, , endpoint = '', what, countText = '300', putsText = '100'] = process.argv;
const range = { key: 'watched/', range_end: 'watched0' };
const client = new GrpcClient(endpoint);

if (what === 'delay') {
  const watch = client.open('Watch/Watch', { create_request: range });
  await watch.next();
  const writer = new GrpcClient(endpoint);
  const took: number[] = [];
  for (let i = 0; i < Number(countText); i++) {
    const beganMs = performance.now();
    const put = writer.call('KV/Put', { key: `watched/${i}`, value: 'v'.repeat(200) });
    await watch.next();
    took.push(performance.now() - beganMs);
    await put;
  }
  console.log(JSON.stringify(distribution(took)));
} else {
  const watchers = Number(countText);
  const puts = Number(putsText);
  const marker = Buffer.from('EVENT!');
  const { grpcPath, encode } = methodOf('Watch/Watch');
  let created = 0;
  let events = 0;
  let done = () => {};
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  let allCreated = () => {};
  const ready = new Promise<void>((resolve) => {
    allCreated = resolve;
  });
  // Ten connections of a hundred watches each, each on a stream of its own.
  const sessions = Array.from({ length: 10 }, () => connect(endpoint));
  for (let i = 0; i < watchers; i++) {
    const stream = (sessions[i % sessions.length] as (typeof sessions)[number]).request({
      ':method': 'POST',
      ':path': grpcPath,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let rest: Buffer = Buffer.alloc(0);
    stream.once('data', () => {
      if (++created === watchers) allCreated();
    });
    stream.on('data', (chunk: Buffer) => {
      // Messages are counted by what is in every value; one that is cut in two is put together first.
      const bytes = rest.length ? Buffer.concat([rest, chunk]) : chunk;
      let at = bytes.indexOf(marker);
      let end = 0;
      for (; at >= 0; at = bytes.indexOf(marker, end)) {
        events += 1;
        end = at + marker.length;
      }
      rest = bytes.subarray(Math.max(end, bytes.length - marker.length + 1));
      if (events >= watchers * puts) done();
    });
    stream.write(frame(encode({ create_request: range })));
  }
  await ready;
  const beganMs = performance.now();
  let next = 0;
  const writers = Array.from({ length: 4 }, async () => {
    while (next < puts) await client.call('KV/Put', { key: `watched/${next++}`, value: `EVENT!${'v'.repeat(100)}` });
  });
  await all;
  const elapsedMs = performance.now() - beganMs;
  await Promise.all(writers);
  console.log(JSON.stringify({ perSecond: (watchers * puts * 1000) / elapsedMs }));
}
process.exit(0);
