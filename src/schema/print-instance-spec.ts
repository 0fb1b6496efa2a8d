import { stringify } from 'yaml';
import type { InstanceSpec } from './instance-spec.ts';

/** A document that reads as this spec: what is put back when nobody has kept the one that people wrote. */
export function printInstanceSpec(spec: InstanceSpec): string {
  const parameters = {
    'node-count': spec.node_count,
    ...(spec.memory_mb !== undefined && { 'memory-mb': spec.memory_mb }),
    ...(spec.cpus !== undefined && { cpus: spec.cpus }),
    ...(spec.version !== undefined && { version: spec.version }),
    ...(spec.image !== undefined && { image: spec.image }),
    ...(spec.maintenance_windows && { 'maintenance-windows': spec.maintenance_windows }),
    ...(spec.deletion_grace_seconds !== undefined && { 'deletion-grace': `${spec.deletion_grace_seconds}s` }),
    ...spec.pool,
    ...(Object.keys(spec.postgresql).length > 0 && { postgresql: spec.postgresql }),
    ...(spec.synchronous && { synchronous: true }),
  };
  return stringify(
    {
      plan_id: spec.plan_id,
      ...(spec.organization_guid !== undefined && { organization_guid: spec.organization_guid }),
      ...(spec.space_guid !== undefined && { space_guid: spec.space_guid }),
      parameters,
      ...(spec.paused && { paused: true }),
      ...(spec.adopted && { adopted: true }),
      ...(spec.hibernated && { hibernated: true }),
      ...(spec.deletion_protection && { 'deletion-protection': true }),
    },
    { lineWidth: 0 },
  );
}
