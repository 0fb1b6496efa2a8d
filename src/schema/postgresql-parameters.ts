/**
 * Which PostgreSQL 15 parameters an operator may set, and what setting one costs.
 * The restart list is `select name from pg_settings where context = 'postmaster'` of PostgreSQL 15.
 */
const restart = new Set(
  `archive_mode autovacuum_freeze_max_age autovacuum_max_workers autovacuum_multixact_freeze_max_age bonjour bonjour_name
  cluster_name dynamic_shared_memory_type event_source external_pid_file huge_page_size huge_pages jit_provider
  logging_collector max_connections max_files_per_process max_locks_per_transaction max_logical_replication_workers
  max_pred_locks_per_transaction max_prepared_transactions max_replication_slots max_wal_senders max_worker_processes
  min_dynamic_shared_memory old_snapshot_threshold recovery_target recovery_target_action recovery_target_inclusive
  recovery_target_lsn recovery_target_name recovery_target_time recovery_target_timeline recovery_target_xid
  shared_buffers shared_memory_type shared_preload_libraries superuser_reserved_connections track_activity_query_size
  track_commit_timestamp wal_buffers wal_decode_buffer_size wal_level wal_log_hints`.split(/\s+/),
);

const ours = new Set(
  `listen_addresses port data_directory config_file hba_file ident_file external_pid_file unix_socket_directories
  unix_socket_group unix_socket_permissions cluster_name primary_conninfo primary_slot_name promote_trigger_file
  restore_command hot_standby wal_level wal_log_hints password_encryption ssl ssl_cert_file ssl_key_file ssl_ca_file
  recovery_target recovery_target_action recovery_target_inclusive recovery_target_lsn recovery_target_name
  recovery_target_time recovery_target_timeline recovery_target_xid synchronous_standby_names`.split(/\s+/),
);

/** What a change of this parameter needs to take effect. */
export function parameterEffect(name: string): 'reload' | 'restart' {
  return restart.has(name) ? 'restart' : 'reload';
}

/** Why an operator may not set this, undefined when he may. PostgreSQL itself judges the value. */
export function parameterProblem(name: string, value: string | number | boolean): string | undefined {
  if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/.test(name)) return 'not the name of a PostgreSQL parameter';
  if (ours.has(name)) return 'this parameter belongs to pgherd and Patroni and cannot be set';
  if (typeof value === 'string' && /[\n\r\0]/.test(value)) return 'line breaks are not allowed';
  if (typeof value === 'number' && !Number.isFinite(value)) return 'a finite number is expected';
  return undefined;
}
