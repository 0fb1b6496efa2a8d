import type { Plan } from '../../schema/catalog.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import { bad, good, type Parsed } from '../../schema/parsed.ts';
import { parameterEffect } from '../../schema/postgresql-parameters.ts';

/** A JSON object as it stands in `/service/<id>/config`. */
export type PatroniConfiguration = { readonly [name: string]: unknown };

/**
 * Patroni's dynamic configuration of an instance: the timings of its plan, and PostgreSQL's parameters from its memory,
 * its plan and its document, the later ones ruling.
 */
export function patroniConfiguration(spec: InstanceSpec, plan: Plan): PatroniConfiguration {
  return {
    ttl: plan.patroni.ttl,
    loop_wait: plan.patroni.loop_wait,
    retry_timeout: plan.patroni.retry_timeout,
    maximum_lag_on_failover: 1048576,
    failsafe_mode: true,
    synchronous_mode: spec.synchronous,
    postgresql: {
      use_pg_rewind: true,
      use_slots: true,
      remove_data_directory_on_rewind_failure: true,
      remove_data_directory_on_diverged_timelines: true,
      parameters: postgresqlParameters(spec, plan),
    },
  };
}

function postgresqlParameters(spec: InstanceSpec, plan: Plan): Record<string, string | number | boolean> {
  const memoryMb = plan.memory_mb;
  return {
    shared_buffers: `${Math.max(16, Math.floor(memoryMb / 4))}MB`,
    effective_cache_size: `${Math.max(32, Math.floor(memoryMb / 2))}MB`,
    maintenance_work_mem: `${Math.max(16, Math.floor(memoryMb / 16))}MB`,
    max_connections: 100,
    // Up to 16 nodes, one more while one is moved, and room for pg_basebackup and an operator.
    max_wal_senders: 24,
    max_replication_slots: 24,
    max_worker_processes: 8,
    wal_log_hints: 'on',
    wal_keep_size: '128MB',
    // A replica whose slot was created late connects again at once instead of after five seconds.
    wal_retrieve_retry_interval: '200ms',
    wal_receiver_status_interval: '1s',
    password_encryption: 'scram-sha-256',
    ...plan.postgresql,
    ...spec.postgresql,
  };
}

/** The part of a configuration that only a restart of PostgreSQL applies. */
export function restartParameters(configuration: PatroniConfiguration): Record<string, unknown> {
  const postgresql = configuration['postgresql'] as { parameters?: PatroniConfiguration } | undefined;
  const parameters = postgresql?.parameters ?? {};
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => parameterEffect(name) === 'restart'));
}

/**
 * What `/service/<id>/config` should say, given what it says: ours rules over what it names, PostgreSQL's parameters are
 * ours altogether, and whatever else operators set with patronictl (`pause`, `standby_cluster`…) stays.
 * Undefined when nothing has to change.
 */
export function mergeConfiguration(present: string, wanted: string): Parsed<string | undefined> {
  // As Patroni writes it after bootstrap, and we after a change: the common case, without reading it.
  if (present === wanted) return good(undefined);
  let current: unknown;
  try {
    current = JSON.parse(present);
  } catch {
    return bad('not JSON');
  }
  if (!isObject(current)) return bad('not a JSON object');
  const ours = JSON.parse(wanted) as PatroniConfiguration & { readonly postgresql: PatroniConfiguration };
  const postgresql = isObject(current['postgresql']) ? current['postgresql'] : {};
  const merged = { ...current, ...ours, postgresql: { ...postgresql, ...ours.postgresql } };
  return good(isEqual(current, merged) ? undefined : JSON.stringify(merged));
}

const isObject = (value: unknown): value is PatroniConfiguration =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isEqual(one: unknown, other: unknown): boolean {
  if (!isObject(one) || !isObject(other)) return one === other || JSON.stringify(one) === JSON.stringify(other);
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => isEqual(one[name], other[name]));
}
