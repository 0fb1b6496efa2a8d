import { request } from 'node:http';
import type { Account } from '../../schema/credentials.ts';
import type { Clock } from '../../time/clock.ts';

const timeoutMs = 2000;

/**
 * Asks the Patroni at this address to restart PostgreSQL if a restart is pending. Patroni answers when PostgreSQL is there
 * again, which may take long: that it has begun is enough.
 */
export function askForRestart(address: string, { username, password }: Account, clock: Clock): Promise<void> {
  const body = JSON.stringify({ restart_pending: true });
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  const options = { method: 'POST', agent: false, auth: `${username}:${password}`, headers };
  return new Promise((resolve, reject) => {
    const asked = request(`http://${address}/restart`, options, (response) => {
      const { statusCode = 0 } = response.resume();
      // 503: it is restarting, or was not to be restarted any more.
      if (statusCode < 400 || statusCode === 503) resolve();
      else reject(new Error(`Patroni at ${address} refuses a restart with status ${statusCode}`));
    });
    const cancel = clock.after(timeoutMs, () => asked.destroy());
    asked.on('close', () => {
      cancel();
      resolve();
    });
    asked.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ECONNREFUSED') reject(new Error(`Patroni at ${address} does not answer`, { cause }));
      else resolve();
    });
    asked.end(body);
  });
}
