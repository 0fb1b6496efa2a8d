import type { InstanceSpec } from '../../schema/instance-spec.ts';
import type { StateFacts } from '../view/facts.ts';
import type { InstanceView } from '../view/instance-view.ts';

/** Major version of PostgreSQL that the instance's data are of; undefined while there are none, or nobody has told. */
export function versionOfData({ nodes }: InstanceView, state: StateFacts | undefined): string | undefined {
  if (state?.postgresqlVersion !== undefined) return state.postgresqlVersion;
  for (const { observed } of nodes) {
    for (const { entry } of observed) {
      if (entry.value.ok && entry.value.value.postgresqlVersion !== undefined)
        return entry.value.value.postgresqlVersion;
    }
  }
  return undefined;
}

/**
 * Why a document cannot come into force: it asks for another major version of PostgreSQL than the data are of. No restart
 * changes that, and no replica streams across it. `before` is what the last accepted document said.
 */
export function versionProblem(
  data: string | undefined,
  before: Pick<InstanceSpec, 'version'> | undefined,
  wanted: Pick<InstanceSpec, 'version'>,
): string | undefined {
  if (data === undefined || wanted.version === data) return undefined;
  if (wanted.version === undefined) {
    if (before?.version === undefined) return undefined;
    return `parameters.version is left out, but was ${before.version}: the data are of PostgreSQL ${data}, so keep {version: ${data}}`;
  }
  return (
    `parameters.version is ${wanted.version}, but the data of this instance are of PostgreSQL ${data}: they keep their major version, ` +
    `and no replica streams across two; create another instance with version ${wanted.version} and move the data ` +
    'with pg_dump and pg_restore, or with logical replication'
  );
}
