// Whether the role that runs in this container is alive. Where to ask is what its first process was told, else the
// environment: `/healthz` at --metrics; of `kv`, which has none, `/health` at --listen.
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';

const words = readFileSync('/proc/1/cmdline', 'utf8').split('\0');
const told = (option, variable) => {
  const at = words.findLastIndex((word) => word === option || word.startsWith(`${option}=`));
  if (at < 0) return process.env[variable];
  return words[at] === option ? words[at + 1] : words[at].slice(option.length + 1);
};
const isStore = words.includes('kv');
const address = isStore ? told('--listen', 'PGHERD_KV_LISTEN') : told('--metrics', 'PGHERD_METRICS');
const [, listen, port] = /^(.*):(\d+)$/.exec(address ?? '') ?? [];
const host = ['0.0.0.0', '[::]'].includes(listen) ? '127.0.0.1' : listen;

if (isStore && told('--cert', 'PGHERD_KV_CERT')) {
  // It may ask for a certificate that is not here: that it shows its own says enough.
  const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, rejectUnauthorized: false, timeout: 4000 });
  socket.once('timeout', () => socket.destroy(new Error(`no answer at ${address}`)));
  socket.once('secureConnect', () => socket.destroy());
} else {
  const url = `http://${host}:${port}/${isStore ? 'health' : 'healthz'}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(4000) });
  if (!response.ok) throw new Error(await response.text());
}
