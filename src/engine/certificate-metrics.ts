import { X509Certificate } from 'node:crypto';
import { Gauge, type Registry } from 'prom-client';

/** What a daemon proves itself with, and believes in, in PEM. */
export interface Certificates {
  readonly ca?: Buffer;
  readonly client?: Buffer;
}

const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Tells when the certificates that this process has read expire: of a bundle the one that does first. */
export function certificateMetrics(registry: Registry, certificates: Certificates): void {
  const expiry = new Gauge({
    name: 'pgherd_certificate_expiry_timestamp_seconds',
    help: 'When a certificate for the store expires, as this process has read it: client, or ca for authorities.',
    labelNames: ['certificate'],
    registers: [registry],
  });
  for (const [certificate, text] of Object.entries(certificates)) {
    const times = [...String(text).matchAll(pem)].flatMap(([block]) => {
      try {
        return [Date.parse(new X509Certificate(block).validTo) / 1000];
      } catch {
        // The connection says so, in better words.
        return [];
      }
    });
    if (times.length > 0) expiry.set({ certificate }, Math.min(...times));
  }
}
