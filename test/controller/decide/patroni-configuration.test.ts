import { expect } from 'chai';
import {
  mergeConfiguration,
  patroniConfiguration,
  restartParameters,
} from '../../../src/controller/decide/patroni-configuration.ts';
import { defaultCatalog, type Plan } from '../../../src/schema/catalog.ts';
import type { InstanceSpec } from '../../../src/schema/instance-spec.ts';

const plan = defaultCatalog.plans[0] as Plan;
const spec = (postgresql: InstanceSpec['postgresql'] = {}) => ({ postgresql, synchronous: true }) as InstanceSpec;
const parameters = (configuration: object) =>
  (configuration as { postgresql: { parameters: Record<string, unknown> } }).postgresql.parameters;

describe('patroniConfiguration()', () => {
  it('takes timings and memory from the plan, and keeps running when etcd does not', () => {
    const configuration = patroniConfiguration(spec(), plan);
    expect(configuration).to.include({
      ttl: 30,
      loop_wait: 5,
      retry_timeout: 10,
      failsafe_mode: true,
      synchronous_mode: true,
    });
    expect(parameters(configuration)).to.include({ shared_buffers: '64MB' });
  });

  it("lets the document's parameters rule over the plan's, and those over the defaults", () => {
    const richer = { ...plan, postgresql: { max_connections: 20, work_mem: '1MB' } };
    expect(parameters(patroniConfiguration(spec({ work_mem: '2MB' }), richer))).to.include({
      max_connections: 20,
      work_mem: '2MB',
    });
  });

  it('knows which parameters only a restart applies', () => {
    expect(restartParameters(patroniConfiguration(spec({ work_mem: '2MB' }), plan)))
      .to.include.keys('max_connections', 'shared_buffers')
      .and.not.include.keys('work_mem');
  });
});

describe('mergeConfiguration()', () => {
  const wanted = JSON.stringify({ ttl: 30, postgresql: { use_slots: true, parameters: { work_mem: '2MB' } } });
  const merged = (present: string): unknown => {
    const result = mergeConfiguration(present, wanted);
    if (!result.ok) return result.problem;
    return result.value === undefined ? undefined : JSON.parse(result.value);
  };
  const cases: [what: string, present: string, expected: unknown][] = [
    ['changes nothing that is as wanted', wanted, undefined],
    [
      'does not mind the order of fields',
      '{"postgresql":{"parameters":{"work_mem":"2MB"},"use_slots":true},"ttl":30}',
      undefined,
    ],
    [
      'leaves what operators set with patronictl',
      '{"pause":true,"ttl":30,"postgresql":{"use_slots":true,"pg_hba":["x"],"parameters":{"work_mem":"2MB"}}}',
      undefined,
    ],
    [
      'takes back a parameter that the document does not have any more',
      '{"ttl":30,"postgresql":{"use_slots":true,"parameters":{"work_mem":"2MB","jit":"off"}}}',
      JSON.parse(wanted),
    ],
    ['sets what differs and keeps the rest', '{"pause":true,"ttl":20}', { pause: true, ...JSON.parse(wanted) }],
    ['does not overwrite what it cannot read', 'x', 'not JSON'],
    ['does not overwrite what is no object', '[]', 'not a JSON object'],
  ];
  for (const [what, present, expected] of cases) it(what, () => expect(merged(present)).to.deep.equal(expected));
});
