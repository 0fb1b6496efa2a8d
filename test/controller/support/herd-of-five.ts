import { Simulation } from './simulation.ts';
import { World } from './world.ts';

/** Five cells in three zones, and nothing else. */
export function herdOfFive(): Simulation {
  const world = new World();
  for (const [cell, zone] of Object.entries({ n1: 'z1', n2: 'z1', n3: 'z2', n4: 'z2', n5: 'z3' }))
    world.cell(cell, zone);
  return new Simulation(world);
}

/** A document of plan standard with these parameters. */
export const standard = (parameters: object = {}, more: object = {}) => ({ plan: 'standard', parameters, ...more });

/** A herd whose instance f1 is ready. */
export function herdWithF1(parameters: object = {}): Simulation {
  const simulation = herdOfFive();
  simulation.world.apply('f1', standard(parameters));
  simulation.settle(['f1']);
  return simulation;
}
