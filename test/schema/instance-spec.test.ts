import { expect } from 'chai';
import { defaultCatalog } from '../../src/schema/catalog.ts';
import { parseInstanceSpec } from '../../src/schema/instance-spec.ts';

const problemOf = (source: string): string => {
  const parsed = parseInstanceSpec(source, defaultCatalog);
  return parsed.ok ? 'accepted' : parsed.problem;
};

describe('parseInstanceSpec()', () => {
  it('accepts the documented broker request, as YAML and as JSON', () => {
    const yaml =
      'plan_id: 1545e30e-6dc3-11e5-826a-6c4008a663f0\nparameters: {node-count: 2, cells: [cell-a, cell-b]}\n';
    const json = '{"plan":"standard","parameters":{"node-count":2,"cells":["cell-a","cell-b"]}}';
    const [fromYaml, fromJson] = [yaml, json].map((source) => parseInstanceSpec(source, defaultCatalog));
    expect(fromYaml).to.deep.equal(fromJson);
    expect(fromYaml?.ok && fromYaml.value.node_count).to.equal(2);
  });

  it("takes the plan's node count when the document gives none", () => {
    const parsed = parseInstanceSpec('plan: standard', defaultCatalog);
    expect(parsed.ok && parsed.value.node_count).to.equal(3);
  });

  it('takes version and image of the document, or else of its plan', () => {
    const [first, ...plans] = defaultCatalog.plans;
    if (!first) throw new Error('no plan');
    const digest = `registry.example.com:5000/db/patroni:15.9@sha256:${'0a'.repeat(32)}`;
    const catalog = { ...defaultCatalog, plans: [{ ...first, version: '15', image: digest }, ...plans] };
    const software = (source: string) => {
      const parsed = parseInstanceSpec(source, catalog);
      if (!parsed.ok) throw new Error(parsed.problem);
      return [parsed.value.version, parsed.value.image];
    };
    expect(software('plan: standard')).to.deep.equal(['15', digest]);
    expect(software('plan: standard\nparameters: {version: 16, image: "patroni:16"}')).to.deep.equal([
      '16',
      'patroni:16',
    ]);
    expect(software('plan: small')).to.deep.equal([undefined, undefined]);
    expect(software('plan: small\nparameters: {version: "17"}')).to.deep.equal(['17', undefined]);
  });

  const refusals: [name: string, source: string, ...words: string[]][] = [
    ['no YAML', '{a: [', 'not YAML'],
    ['a list', '- plan', 'a mapping of fields is expected'],
    ['nothing at all', '', 'document is null', 'mapping'],
    ['an unknown plan', 'plan: huge', 'plan is "huge"', 'standard', 'small'],
    ['no plan', 'paused: true', 'plan is missing', 'standard'],
    ['a foreign service', 'service_id: x\nplan: small', 'service_id is "x"'],
    ['node-count 0', 'plan: small\nparameters: {node-count: 0}', 'parameters.node-count is 0', 'from 1 to 16'],
    ['node-count -1', 'plan: small\nparameters: {node-count: -1}', 'parameters.node-count is -1', 'from 1 to 16'],
    ['node-count 1.5', 'plan: small\nparameters: {node-count: 1.5}', 'parameters.node-count is 1.5', 'whole number'],
    ['node-count 10^9', 'plan: small\nparameters: {node-count: 1000000000}', 'is 1000000000', 'from 1 to 16'],
    ['a string as node-count', 'plan: small\nparameters: {node-count: "3"}', 'is "3"', 'whole number'],
    ['wrong types', 'plan: small\npaused: 3', 'paused is 3', 'boolean is expected'],
    [
      'an adopted cluster that hibernates',
      'plan: small\nadopted: true\nhibernated: true',
      'does not stop what others run',
    ],
    ['an unknown field', 'plan: small\ncount: 3', 'count: unknown field', 'deletion-protection'],
    ['an unknown parameter', 'plan: small\nparameters: {nodes: 3}', 'parameters.nodes: unknown field', 'node-count'],
    ['a minor version', 'plan: small\nparameters: {version: 15.4}', 'parameters.version is 15.4', 'a major version'],
    ['an old version', 'plan: small\nparameters: {version: "9"}', 'parameters.version is "9"', 'from 13 on'],
    [
      'no version at all',
      'plan: small\nparameters: {version: latest}',
      'parameters.version is "latest"',
      'for example 15',
    ],
    ['an image with a space', 'plan: small\nparameters: {image: "a b"}', 'parameters.image is "a b"', 'for example'],
    ['an option as image', 'plan: small\nparameters: {image: "--rm"}', 'parameters.image is "--rm"'],
    ['half a digest', 'plan: small\nparameters: {image: "a@sha256:12"}', 'parameters.image is "a@sha256:12"'],
    ['a parameter of ours', 'plan: small\nparameters: {postgresql: {port: 1}}', 'postgresql.port is 1', 'belongs to'],
    [
      'an alias bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\nd: [${'*c,'.repeat(9)}]`,
      'not YAML',
    ],
    ['2 MB', `plan: ${'x'.repeat(2_000_000)}`, '2000006 bytes', 'at most 262144'],
  ];
  for (const [name, source, ...words] of refusals) {
    it(`refuses ${name} and says what is allowed`, () => {
      for (const word of words) expect(problemOf(source)).to.include(word);
    });
  }
});
