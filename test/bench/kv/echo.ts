/** The physical limit: a bare HTTP/2 server that reads a call and answers with a few bytes. `echo.js <host> <port>` */
import { createServer } from 'node:http2';

const answer = Buffer.from([0, 0, 0, 0, 20, ...new Array(20).fill(0)]);
const server = createServer({ settings: { maxConcurrentStreams: 10_000, initialWindowSize: 1 << 20 } });
server.on('stream', (stream) => {
  stream.on('error', () => {});
  stream.resume();
  stream.once('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(answer);
  });
});
server.listen(Number(process.argv[3]), process.argv[2], () => console.log('serving'));
