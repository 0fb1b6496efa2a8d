import type { Plan } from './catalog.ts';
import type { InstanceSpec } from './instance-spec.ts';

// A spec is read once and looked at in every pass.
const made = new WeakMap<InstanceSpec, { readonly plan: Plan; readonly sized: Plan }>();

/** The plan with the memory and CPUs that the document asks for instead of its own. */
export function sizedPlan(plan: Plan, spec: InstanceSpec): Plan {
  const { memory_mb, cpus } = spec;
  if (memory_mb === undefined && cpus === undefined) return plan;
  const known = made.get(spec);
  if (known?.plan === plan) return known.sized;
  const sized = { ...plan, memory_mb: memory_mb ?? plan.memory_mb, cpus: cpus ?? plan.cpus };
  made.set(spec, { plan, sized });
  return sized;
}
