import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Gauge, type Registry } from '../../engine/metrics.ts';
import { isSnapshotName } from '../snapshot-exporter.ts';

/** Declares when the newest snapshot in the directory was written; 0 while there is none. */
export function snapshotMetrics(registry: Registry, directory: string): void {
  new Gauge({
    name: 'pgherd_snapshot_timestamp_seconds',
    help: 'When the newest snapshot in --snapshot-dir was written; 0 while there is none.',
    registers: [registry],
    async collect() {
      this.set(await newest(directory).catch(() => 0));
    },
  });
}

async function newest(directory: string): Promise<number> {
  const name = (await readdir(directory)).filter(isSnapshotName).sort().at(-1);
  return name === undefined ? 0 : (await stat(join(directory, name))).mtimeMs / 1000;
}
