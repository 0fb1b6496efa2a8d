import { z } from 'zod';
import { parseJson } from './json.ts';
import { bad, good, type Parsed } from './parsed.ts';
import { parseImage, parseVersion } from './software.ts';

/** `/pgherd/catalog`: what can be asked for. Published by the leading controller so that every command sees the same. */
export const catalogKey = '/pgherd/catalog';

const planShape = z.object({
  plan_id: z.string().min(1),
  name: z.string().min(1),
  description: z.string().default(''),
  node_count: z.number().int().min(1).max(16),
  memory_mb: z.number().int().min(64),
  cpus: z.number().positive(),
  /** Major version of PostgreSQL that its instances have; absent: what cells have by default. */
  version: z.union([z.string(), z.number()]).transform(String).optional(),
  /** What nodes are containers of; absent: what cells were given. */
  image: z.string().optional(),
  /** Parameters of PostgreSQL that all instances of the plan start from. */
  postgresql: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  /** Patroni's timings in seconds; loop_wait + 2 × retry_timeout may not exceed ttl. */
  patroni: z
    .object({ ttl: z.number(), loop_wait: z.number(), retry_timeout: z.number() })
    .default({ ttl: 30, loop_wait: 5, retry_timeout: 10 }),
});

const catalogShape = z.object({ service_id: z.string().min(1), plans: z.array(planShape).min(1) });

/** One size of instance. */
export type Plan = z.infer<typeof planShape>;
/** The service and its plans. */
export type Catalog = z.infer<typeof catalogShape>;

export function parseCatalog(text: string): Parsed<Catalog> {
  const catalog = parseJson(text, catalogShape);
  if (!catalog.ok) return catalog;
  for (const { name, patroni, version, image } of catalog.value.plans) {
    const numbered = version === undefined ? undefined : parseVersion(version);
    if (numbered && !numbered.ok)
      return bad(`plan ${name}: version is ${JSON.stringify(version)}: ${numbered.problem}`);
    const named = image === undefined ? undefined : parseImage(image);
    if (named && !named.ok) return bad(`plan ${name}: image is ${JSON.stringify(image)}: ${named.problem}`);
    // retry_timeout below 2 wedges Patroni 3.0 at the first failover.
    if (patroni.retry_timeout < 2) return bad(`plan ${name}: patroni.retry_timeout must be at least 2`);
    if (patroni.loop_wait < 1) return bad(`plan ${name}: patroni.loop_wait must be at least 1`);
    if (patroni.loop_wait + 2 * patroni.retry_timeout > patroni.ttl) {
      return bad(`plan ${name}: patroni.ttl must be at least loop_wait + 2 × retry_timeout`);
    }
  }
  return good(catalog.value);
}

/** The catalog of a herd that was not given another. The first plan's ids are those of the documented broker. */
export const defaultCatalog: Catalog = catalogShape.parse({
  service_id: 'beb5973c-e1b2-11e5-a736-c7c0b526363d',
  plans: [
    {
      plan_id: '1545e30e-6dc3-11e5-826a-6c4008a663f0',
      name: 'standard',
      description: 'three nodes of 256 MB',
      node_count: 3,
      memory_mb: 256,
      cpus: 1,
    },
    {
      plan_id: 'b96d0936-e423-11e5-accb-93d374e93368',
      name: 'small',
      description: 'one node of 128 MB, no failover',
      node_count: 1,
      memory_mb: 128,
      cpus: 0.5,
    },
    {
      plan_id: '5e2c7b1c-2f4e-4c55-9d0c-7a8a3d0c6b1f',
      name: 'large',
      description: 'three nodes of 2 GB',
      node_count: 3,
      memory_mb: 2048,
      cpus: 2,
    },
  ],
});
