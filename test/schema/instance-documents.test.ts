import { expect } from 'chai';
import type { InstanceId } from '../../src/schema/ids.ts';
import { parseInstanceDocuments } from '../../src/schema/instance-documents.ts';

const problemOf = (source: string, id?: string): string => {
  const parsed = parseInstanceDocuments(source, id as InstanceId | undefined);
  return parsed.ok ? 'accepted' : parsed.problem;
};

describe('parseInstanceDocuments()', () => {
  it('reads several documents, takes the ids out of what is stored and keeps comments', () => {
    const parsed = parseInstanceDocuments(
      '---\n# first\nid: f1\nplan: small # why\n---\n{"id": "f2", "plan": "standard"}\n---\n',
    );
    expect(parsed).to.deep.equal({
      ok: true,
      value: [
        { id: 'f1', text: '# first\nplan: small # why\n' },
        { id: 'f2', text: '{ "plan": "standard" }\n' },
      ],
    });
  });

  it('stores a bare document as it is when its id was given', () => {
    const source = 'plan:   small # kept\n';
    const parsed = parseInstanceDocuments(source, 'f1' as InstanceId);
    expect(parsed).to.deep.equal({ ok: true, value: [{ id: 'f1', text: source }] });
  });

  const refusals: [name: string, source: string, id: string | undefined, ...words: string[]][] = [
    ['nothing at all', '\n---\n', undefined, 'no document'],
    ['no YAML', 'id: f1\n---\na: [', undefined, 'document 2', 'not YAML'],
    ['a list', '- id: f1', undefined, 'a mapping of fields is expected'],
    ['no id', 'plan: small', undefined, 'id is missing'],
    ['a number as id', 'id: 5', undefined, 'id is 5', 'in quotes'],
    ['an id with a slash', 'id: a/b', undefined, '"a/b" is not allowed'],
    ['the same id twice', 'id: a\n---\nid: a', undefined, 'document 2: id a occurs twice'],
    ['one id for two documents', 'plan: small\n---\nplan: small', 'f1', '2 documents', 'f1'],
    ['two different ids', 'id: a', 'b', 'id is a, but b was asked for'],
  ];
  for (const [name, source, id, ...words] of refusals) {
    it(`refuses ${name} and says what is allowed`, () => {
      for (const word of words) expect(problemOf(source, id)).to.include(word);
    });
  }
});
