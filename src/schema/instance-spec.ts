import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { Catalog } from './catalog.ts';
import { choosePlan, chooseSoftware } from './choose-plan.ts';
import { parseDurationMs } from './duration.ts';
import { type MaintenanceWindow, maintenanceWindowShape, windowProblem } from './maintenance-window.ts';
import { bad, good, type Parsed } from './parsed.ts';
import { parameterProblem } from './postgresql-parameters.ts';
import { show } from './show.ts';

/** The largest document that is read; etcd itself refuses requests above 1.5 MiB. */
export const maxDocumentBytes = 256 * 1024;
export const maxNodeCount = 16;

/** A desired state that was understood and accepted: names resolved, defaults filled in. Stored in the observed state. */
export const instanceSpecShape = z.object({
  service_id: z.string(),
  plan_id: z.string(),
  organization_guid: z.string().optional(),
  space_guid: z.string().optional(),
  node_count: z.number().int(),
  /** Where its nodes may run; a cell must satisfy all that are given. */
  pool: z.object({
    cells: z.array(z.string()).optional(),
    zones: z.array(z.string()).optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  postgresql: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  synchronous: z.boolean(),
  paused: z.boolean(),
  /** Instead of the plan's. */
  memory_mb: z.number().optional(),
  cpus: z.number().optional(),
  /** Major version of PostgreSQL, the plan's or the document's; absent: what cells have by default. */
  version: z.string().optional(),
  /** What nodes are containers of, the plan's or the document's; absent: what cells were given. */
  image: z.string().optional(),
  /** When nodes may be restarted; always when absent. */
  maintenance_windows: z.array(maintenanceWindowShape).optional(),
  /** Others made it: pgherd gives it a port and a state, and leaves its members alone. */
  adopted: z.boolean().optional(),
  /** All nodes are stopped; data, port and credentials stay. */
  hibernated: z.boolean().optional(),
  deletion_protection: z.boolean(),
  /** How long everything is kept after the document was deleted; the controller's default when absent. */
  deletion_grace_seconds: z.number().optional(),
});
export type InstanceSpec = z.infer<typeof instanceSpecShape>;

const text = z.string().min(1).max(200);
const names = z.array(text).min(1).max(1000);

const documentShape = z.strictObject({
  service_id: text.optional(),
  plan_id: text.optional(),
  plan: text.optional(),
  organization_guid: text.optional(),
  space_guid: text.optional(),
  parameters: z
    .strictObject({
      'node-count': z.number().int().min(1).max(maxNodeCount).optional(),
      cells: names.optional(),
      zones: names.optional(),
      labels: z.record(text, z.string()).optional(),
      postgresql: z.record(text, z.union([z.string(), z.number(), z.boolean()])).optional(),
      synchronous: z.boolean().optional(),
      'memory-mb': z.number().int().min(64).max(4_194_304).optional(),
      cpus: z.number().min(0.05).max(1024).optional(),
      version: z.union([z.string(), z.number()]).optional(),
      image: z.string().optional(),
      'maintenance-windows': z.array(maintenanceWindowShape).max(50).optional(),
      'deletion-grace': z.union([z.string().max(20), z.number().min(0)]).optional(),
    })
    .optional(),
  paused: z.boolean().optional(),
  hibernated: z.boolean().optional(),
  adopted: z.boolean().optional(),
  'deletion-protection': z.boolean().optional(),
});

/** Reads a desired state, YAML or JSON. A refusal names the field, the value found and what is allowed. */
export function parseInstanceSpec(source: string, catalog: Catalog): Parsed<InstanceSpec> {
  const value = parseYaml(source);
  if (!value.ok) return value;
  const result = documentShape.safeParse(value.value);
  if (!result.success) return bad(result.error.issues.map((issue) => describe(issue, value.value)).join('; '));
  const document = result.data;
  const plan = choosePlan(document.plan_id, document.plan, document.service_id, catalog);
  if (!plan.ok) return plan;
  if (document.adopted && document.hibernated) {
    return bad('hibernated is true, but adopted too: pgherd does not stop what others run');
  }
  const parameters = document.parameters ?? {};
  for (const [name, parameter] of Object.entries(parameters.postgresql ?? {})) {
    const problem = parameterProblem(name, parameter);
    if (problem) return bad(`parameters.postgresql.${name} is ${show(parameter)}: ${problem}`);
  }
  const software = chooseSoftware(parameters, plan.value);
  if (!software.ok) return software;
  const window = firstWindowProblem(parameters['maintenance-windows']);
  if (window !== undefined) return bad(window);
  const graceSeconds = parseGrace(parameters['deletion-grace']);
  if (!graceSeconds.ok) return graceSeconds;
  return good({
    service_id: catalog.service_id,
    plan_id: plan.value.plan_id,
    ...(document.organization_guid !== undefined && { organization_guid: document.organization_guid }),
    ...(document.space_guid !== undefined && { space_guid: document.space_guid }),
    node_count: parameters['node-count'] ?? plan.value.node_count,
    pool: {
      ...(parameters.cells && { cells: parameters.cells }),
      ...(parameters.zones && { zones: parameters.zones }),
      ...(parameters.labels && { labels: parameters.labels }),
    },
    postgresql: parameters.postgresql ?? {},
    synchronous: parameters.synchronous ?? false,
    paused: document.paused ?? false,
    ...(parameters['memory-mb'] !== undefined && { memory_mb: parameters['memory-mb'] }),
    ...(parameters.cpus !== undefined && { cpus: parameters.cpus }),
    ...software.value,
    ...(parameters['maintenance-windows'] && { maintenance_windows: parameters['maintenance-windows'] }),
    ...(document.adopted === true && { adopted: true }),
    ...(document.hibernated === true && { hibernated: true }),
    deletion_protection: document['deletion-protection'] ?? false,
    ...(graceSeconds.value !== undefined && { deletion_grace_seconds: graceSeconds.value }),
  });
}

function firstWindowProblem(windows: readonly MaintenanceWindow[] | undefined): string | undefined {
  for (const [at, window] of (windows ?? []).entries()) {
    const problem = windowProblem(window);
    if (problem !== undefined) return `parameters.maintenance-windows.${at}: ${problem}`;
  }
  return undefined;
}

const longestGraceSeconds = 366 * 86_400;

function parseGrace(written: string | number | undefined): Parsed<number | undefined> {
  if (written === undefined) return good(undefined);
  const ms = parseDurationMs(String(written));
  if (ms.ok && ms.value / 1000 <= longestGraceSeconds) return good(ms.value / 1000);
  return bad(
    `parameters.deletion-grace is ${show(written)}: a duration up to a year is expected, for example 24h or 0`,
  );
}

function parseYaml(source: string): Parsed<Record<string, unknown>> {
  const bytes = Buffer.byteLength(source);
  if (bytes > maxDocumentBytes) return bad(`document has ${bytes} bytes: at most ${maxDocumentBytes} are allowed`);
  const document = parseDocument(source);
  const error = document.errors[0];
  if (error) return bad(`not YAML: ${error.message.split('\n')[0]}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    return bad(`not YAML: ${(cause as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return bad(`document is ${show(value)}: a mapping of fields is expected, for example {plan: standard}`);
  }
  return good(value as Record<string, unknown>);
}

function describe(issue: z.core.$ZodIssue, document: unknown): string {
  const where = issue.path.join('.') || 'document';
  if (issue.code === 'unrecognized_keys') {
    const prefix = issue.path.length > 0 ? `${issue.path.join('.')}.` : '';
    const known = prefix === 'parameters.' ? parameterNames : fieldNames;
    return `${issue.keys.map((key) => prefix + key).join(', ')}: unknown field; allowed are ${known.join(', ')}`;
  }
  const value = issue.path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown>)?.[step], document);
  return `${where} is ${show(value)}: ${expectation(issue)}`;
}

const fieldNames = Object.keys(documentShape.shape);
const parameterNames = Object.keys(documentShape.shape.parameters.unwrap().shape);

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.path.join('.') === 'parameters.node-count') return `a whole number from 1 to ${maxNodeCount} is expected`;
  if (issue.code === 'invalid_type') return `${issue.expected} is expected`;
  if (issue.code === 'invalid_union') return 'a string, a number or true/false is expected';
  return issue.message;
}
