// Whether the role that runs in this container is alive: its /healthz, at the port of PGHERD_METRICS.
const port = (process.env.PGHERD_METRICS ?? '').split(':').at(-1);
const response = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(4000) });
if (!response.ok) throw new Error(await response.text());
