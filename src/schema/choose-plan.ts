import type { Catalog, Plan } from './catalog.ts';
import { bad, good, type Parsed } from './parsed.ts';
import { show } from './show.ts';
import { parseImage, parseVersion } from './software.ts';

/** The plan that a document names, by id or by name. */
export function choosePlan(
  planId: string | undefined,
  name: string | undefined,
  serviceId: string | undefined,
  catalog: Catalog,
): Parsed<Plan> {
  if (serviceId !== undefined && serviceId !== catalog.service_id) {
    return bad(`service_id is ${show(serviceId)}: this herd offers ${catalog.service_id}`);
  }
  const allowed = `use one of ${catalog.plans.map((plan) => `${plan.name} (${plan.plan_id})`).join(', ')}`;
  if (planId === undefined && name === undefined) return bad(`plan is missing: ${allowed}`);
  const byId = planId === undefined ? undefined : catalog.plans.find((plan) => plan.plan_id === planId);
  if (planId !== undefined && !byId) return bad(`plan_id is ${show(planId)}: ${allowed}`);
  const byName = name === undefined ? undefined : catalog.plans.find((plan) => plan.name === name);
  if (name !== undefined && !byName) return bad(`plan is ${show(name)}: ${allowed}`);
  if (byId && byName && byId !== byName) return bad(`plan_id ${show(planId)} and plan ${show(name)} differ: give one`);
  return good((byId ?? byName) as Plan);
}

/** The version of PostgreSQL and the image that a document names, or else its plan. */
export function chooseSoftware(
  { version, image }: { readonly version?: string | number | undefined; readonly image?: string | undefined },
  plan: Plan,
): Parsed<{ readonly version?: string; readonly image?: string }> {
  const numbered = version === undefined ? good(plan.version) : parseVersion(version);
  if (!numbered.ok) return bad(`parameters.version is ${show(version)}: ${numbered.problem}`);
  const named = image === undefined ? good(plan.image) : parseImage(image);
  if (!named.ok) return bad(`parameters.image is ${show(image)}: ${named.problem}`);
  return good({
    ...(numbered.value !== undefined && { version: numbered.value }),
    ...(named.value !== undefined && { image: named.value }),
  });
}
