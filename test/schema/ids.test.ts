import { expect } from 'chai';
import { type InstanceId, newNodeId, parseInstanceId } from '../../src/schema/ids.ts';

describe('parseInstanceId()', () => {
  for (const id of ['f1', 'c45ecc24-aa5d-49cd-9b36-2027e60b7d8a', 'a.b_c-d', 'x'.repeat(50)]) {
    it(`accepts ${id}`, () => expect(parseInstanceId(id).ok).to.equal(true));
  }
  for (const id of ['', 'a/b', '..', 'a..b', '.a', 'a-', 'a\0b', 'ä', 'a b', 'x'.repeat(300)]) {
    it(`refuses ${JSON.stringify(id.slice(0, 12))} (${id.length} characters), naming it and what is allowed`, () => {
      const parsed = parseInstanceId(id);
      expect(parsed.ok).to.equal(false);
      if (!parsed.ok) expect(parsed.problem).to.include('is not allowed: use 1 to 50 letters');
    });
  }
});

describe('newNodeId()', () => {
  it("stays within PostgreSQL's 63 characters for the longest instance id", () => {
    expect(newNodeId('x'.repeat(50) as InstanceId, Math.random)).to.match(/^x{50}-[a-z0-9]{6}$/);
  });
});
