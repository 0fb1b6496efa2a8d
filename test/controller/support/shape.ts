import { expect } from 'chai';
import { assignmentsPrefix } from '../../../src/schema/assignment.ts';
import type { World } from './world.ts';

/** An instance without what chance decides: names, ports, times, and which of the good cells. */
export function shape(world: World, id: string) {
  const state = world.state(id);
  const nodes = state.nodes.map(({ node_id }) => node_id);
  const nameless = (text: string) =>
    nodes
      .reduce((rest, node) => rest.replaceAll(node, 'NODE'), text)
      .replaceAll(/\bn[1-5]\b/g, 'CELL')
      .replaceAll(/\b300\d\d\b/g, 'PORT');
  const cells = state.nodes.map(({ backend_id }) => backend_id);
  expect(new Set(cells).size).to.equal(cells.length);
  const pool = state.accepted?.pool.cells;
  for (const cell of cells) if (pool) expect(pool).to.include(cell);
  return {
    nodes: nodes.length,
    conditions: state.conditions.map(({ type, status, reason }) => [type, status, reason]),
    operation: state.last_operation,
    accepted: state.accepted,
    config: world.json(`/service/${id}/config`),
    assignments: world
      .keys(assignmentsPrefix)
      .filter((key) => key.includes(`/${id}-`))
      .map((key) => nameless(world.text(key) ?? '')),
    keys: world
      .keys()
      .filter((key) => new RegExp(`[/-]${id}\\b`).test(key) && !key.endsWith('/failover'))
      .map(nameless)
      .sort(),
  };
}
