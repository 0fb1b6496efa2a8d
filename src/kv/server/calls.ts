import type { Backend } from '../backend.ts';
import type { Space } from './space.ts';

/** Counts calls, and says with the names that dashboards for etcd know what the store is like. */
export class Calls {
  readonly #counts = new Map<string, Map<string, number>>();

  count(path: string, code: string): void {
    const codes = this.#counts.get(path) ?? new Map<string, number>();
    this.#counts.set(path, codes);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  /** In the form that Prometheus reads. */
  print(backend: Backend, space: Space, connections: number): string {
    const { revision, compactRevision, dbSize, dbSizeInUse } = backend.status();
    const lines: string[] = ['# TYPE grpc_server_handled_total counter'];
    for (const [path, codes] of this.#counts) {
      const [, service, name] = path.split('/');
      for (const [code, count] of codes) {
        lines.push(
          `grpc_server_handled_total{grpc_service="${service}",grpc_method="${name}",grpc_code="${code}"} ${count}`,
        );
      }
    }
    const gauges: Readonly<Record<string, number | bigint>> = {
      etcd_server_has_leader: 1,
      etcd_server_is_leader: 1,
      etcd_mvcc_db_total_size_in_bytes: dbSize,
      etcd_mvcc_db_total_size_in_use_in_bytes: dbSizeInUse,
      etcd_debugging_mvcc_current_revision: revision,
      etcd_debugging_mvcc_compact_revision: compactRevision,
      pgherd_kv_alarms: space.active.length,
      pgherd_kv_connections: connections,
    };
    for (const [name, value] of Object.entries(gauges)) lines.push(`# TYPE ${name} gauge`, `${name} ${value}`);
    return `${lines.join('\n')}\n`;
  }
}
