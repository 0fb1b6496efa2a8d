import { expect } from 'chai';
import fc from 'fast-check';
import { putRequestType, rangeRequestType, txnRequestType } from '../../../src/kv/protocol/kv.ts';
import { leaseGrantRequestType } from '../../../src/kv/protocol/lease.ts';
import { watchRequestType } from '../../../src/kv/protocol/watch.ts';
import { fromJson, toJson } from '../../../src/kv/wire/json.ts';
import { JsonNumber, JsonReader, type JsonValue } from '../../../src/kv/wire/json-values.ts';

const parse = (text: string): JsonValue => new JsonReader(text).value();

describe('fromJson()', () => {
  it('takes both spellings of names, numbers as numbers or text, enums by name or number; unknown names are ignored', () => {
    const one = fromJson(
      rangeRequestType,
      parse('{"key":"Zm9v","range_end":"eg==","limit":"5","sort_order":"DESCEND"}'),
    );
    const two = fromJson(
      rangeRequestType,
      parse('{"key":"Zm9v","rangeEnd":"eg==","limit":5,"sortOrder":2,"more":{"to":["come"]}}'),
    );
    expect(one).to.deep.equal(two);
    expect(one).to.include({ limit: 5n, sortOrder: 'DESCEND', sortTarget: 'KEY', keysOnly: false });
  });

  it('keeps every digit of a lease that was sent as a number', () => {
    expect(fromJson(leaseGrantRequestType, parse('{"TTL":30,"ID":9007199254740993}')).id).to.equal(9007199254740993n);
    expect(fromJson(leaseGrantRequestType, parse('{"TTL":30,"ID":"-9223372036854775808"}')).id).to.equal(-(2n ** 63n));
  });

  it('reads the transactions that Patroni and old registry clients send', () => {
    const text = '{"compare":[{"key":"YQ==","createRevision":"0"}],"success":[{"requestPut":{"key":"YQ=="}}]}';
    expect(fromJson(txnRequestType, parse(text))).to.deep.equal({
      compare: [
        {
          ...{ result: 'EQUAL', target: 'VERSION', key: Buffer.from('a'), rangeEnd: Buffer.alloc(0) },
          with: { kind: 'CREATE', number: 0n },
        },
      ],
      success: [{ kind: 'put', request: fromJson(putRequestType, parse('{"key":"YQ=="}')) }],
      failure: [],
    });
  });

  const refusals: readonly (readonly [string, string])[] = [
    ['{"key":', 'unexpected EOF'],
    ['nonsense', "invalid character 'o' in literal null (expecting 'u')"],
    ['{"key":5}', 'json: cannot unmarshal number into Go value of type []uint8'],
    ['{"key":"!!"}', 'illegal base64 data at input byte 0'],
    ['{"limit":1.5}', 'json: cannot unmarshal number 1.5 into Go value of type int64'],
    ['{"limit":""}', 'unexpected end of JSON input'],
    ['{"limit":"abc"}', "invalid character 'a' looking for beginning of value"],
    ['{"keys_only":"true"}', 'json: cannot unmarshal string into Go value of type bool'],
    ['{"sort_order":"BLA"}', 'unknown value "BLA" for enum etcdserverpb.RangeRequest_SortOrder'],
    ['[]', 'json: cannot unmarshal array into Go value of type map[string]json.RawMessage'],
  ];
  for (const [text, message] of refusals) {
    it(`refuses ${text} as etcd does`, () => {
      expect(() => fromJson(rangeRequestType, parse(text))).to.throw(message);
    });
  }
});

describe('toJson()', () => {
  it('leaves defaults out, but not messages that were sent with nothing in them', () => {
    const create = fromJson(watchRequestType, parse('{"create_request":{}}'));
    expect(toJson(watchRequestType, create)).to.deep.equal({ create_request: {} });
  });
});

describe('JsonReader', () => {
  it('reads what JSON.stringify writes, one value after the other', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 4 }), (values) => {
        const reader = new JsonReader(values.map((value) => JSON.stringify(value)).join(' \n'));
        const read: unknown[] = [];
        while (!reader.isAtEnd) read.push(plain(reader.value()));
        expect(JSON.stringify(read)).to.equal(JSON.stringify(values));
      }),
    );
  });
});

function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.text);
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, each]) => [name, plain(each)]));
  return Array.isArray(value) ? value.map(plain) : value;
}
