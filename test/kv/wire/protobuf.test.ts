import { createRequire } from 'node:module';
import { expect } from 'chai';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import * as auth from '../../../src/kv/protocol/auth.ts';
import * as cluster from '../../../src/kv/protocol/cluster.ts';
import * as kv from '../../../src/kv/protocol/kv.ts';
import * as lease from '../../../src/kv/protocol/lease.ts';
import * as maintenance from '../../../src/kv/protocol/maintenance.ts';
import * as watch from '../../../src/kv/protocol/watch.ts';
import { fromJson, toJson } from '../../../src/kv/wire/json.ts';
import { JsonReader } from '../../../src/kv/wire/json-values.ts';
import { decode, encode, encodeFrame } from '../../../src/kv/wire/protobuf.ts';
import type { MessageType, NamedField } from '../../../src/kv/wire/schema.ts';

const description = createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto');
const etcd = new protobuf.Root().loadSync(description, { keepCase: true });

const all = [kv, watch, lease, cluster, maintenance, auth]
  .flatMap((module) => Object.values(module) as MessageType<unknown>[])
  // etcd has no description of the first; the others only leave us, and lose what etcd does not say in them.
  .filter(({ name }) => !name.startsWith('HealthCheck') && name !== 'ResponseOp' && name !== 'TxnResponse');

/** Any message of a type, in the names of protobuf: what is absent is left out, as protobufjs does. */
function messagesOf(type: MessageType<unknown>, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const fields = type.fields.filter((field) => depth < 2 || field.kind !== 'message');
  const values = Object.fromEntries(fields.map((field) => [field.json, anyOf(field, depth)]));
  const message = fc.record(values, { requiredKeys: [] });
  const oneof = oneofOf(type);
  if (oneof.length === 0) return message;
  return fc.tuple(message, fc.constantFrom(...oneof)).map(([fieldsOf, kept]) => {
    const entries = Object.entries(fieldsOf).filter(([name]) => name === kept || !oneof.includes(name));
    return Object.fromEntries(entries);
  });
}

const oneofOf = (type: MessageType<unknown>): string[] => {
  const found = protobufType(type).oneofsArray[0];
  return found ? found.oneof : [];
};

function protobufType({ name }: MessageType<unknown>): protobuf.Type {
  for (const scope of ['etcdserverpb', 'mvccpb', 'authpb']) {
    const found = etcd.lookup(`${scope}.${name}`);
    if (found instanceof protobuf.Type) return found;
  }
  throw new Error(`etcd has no ${name}`);
}

function anyOf(field: NamedField, depth: number): fc.Arbitrary<unknown> {
  const one = scalarOf(field, depth);
  return field.repeated ? fc.array(one, { minLength: 1, maxLength: 2 }) : one;
}

function scalarOf({ kind, enumeration, message }: NamedField, depth: number): fc.Arbitrary<unknown> {
  switch (kind) {
    case 'bytes':
      return fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('base64'));
    case 'string':
      return fc.string({ maxLength: 20 });
    case 'bool':
      return fc.boolean();
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
    case 'uint64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
    case 'uint32':
      return fc.nat({ max: 2 ** 32 - 1 });
    case 'enum':
      return fc.nat({ max: (enumeration?.names.length ?? 1) - 1 });
    case 'message':
      return messagesOf((message as () => MessageType<unknown>)(), depth + 1);
  }
}

describe('the tables of etcd’s messages', () => {
  const asJson = { longs: String, bytes: String, arrays: false, defaults: false } as const;

  for (const type of all) {
    it(`${type.name} is read and written as protobufjs does with etcd’s own description`, () => {
      const theirs = protobufType(type);
      fc.assert(
        fc.property(messagesOf(type), (message) => {
          const bytes = Buffer.from(theirs.encode(theirs.fromObject(message)).finish());
          const again = encode(type, decode(type, bytes));
          const back = (encoded: Buffer) => theirs.toObject(theirs.decode(encoded), asJson);
          expect(back(again)).to.deep.equal(back(encode(type, decode(type, again))));
          expect(withoutDefaults(back(again))).to.deep.equal(withoutDefaults(back(bytes)));
        }),
        { numRuns: 12 },
      );
    });

    it(`${type.name} survives the gateway’s JSON`, () => {
      const theirs = protobufType(type);
      fc.assert(
        fc.property(messagesOf(type), (message) => {
          const ours = decode(type, Buffer.from(theirs.encode(theirs.fromObject(message)).finish()));
          const text = JSON.stringify(toJson(type, ours));
          expect(encode(type, fromJson(type, new JsonReader(text).value()))).to.deep.equal(encode(type, ours));
        }),
        { numRuns: 8 },
      );
    });

    it(`${type.name} has the fields that etcd’s description has`, () => {
      const theirs = protobufType(type).fieldsArray.map(({ name, id, repeated }) => `${id} ${name} ${repeated}`);
      expect(type.fields.map(({ json, number, repeated }) => `${number} ${json} ${repeated}`)).to.deep.equal(
        theirs.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
      );
    });
  }
});

/** An inner message that was sent with nothing in it, and a default that was sent all the same, are the same to etcd. */
function withoutDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDefaults);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .map(([name, each]) => [name, withoutDefaults(each)] as const)
    .filter(([, each]) => each !== '0' && each !== 0 && each !== '' && each !== false);
  return Object.fromEntries(entries);
}

describe('decode()', () => {
  it('passes over fields that it does not know', () => {
    const bytes = Buffer.concat([
      Buffer.from('7a03616263', 'hex'),
      encode(kv.compactionRequestType, { revision: 7n, physical: false }),
    ]);
    expect(decode(kv.compactionRequestType, bytes)).to.deep.equal({ revision: 7n, physical: false });
  });

  it('refuses bytes that are no message, and never fails otherwise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decode(kv.txnRequestType, Buffer.from(bytes));
        } catch (error) {
          expect((error as Error).name).to.equal('KvError');
        }
      }),
    );
  });

  it('refuses transactions that are nested without end', () => {
    let bytes: Buffer = Buffer.alloc(0);
    for (let depth = 0; depth < 200; depth++) {
      const length = (inner: Buffer, tag: number) => {
        const head = inner.length < 128 ? [inner.length] : [(inner.length & 0x7f) | 0x80, inner.length >> 7];
        return Buffer.concat([Buffer.from([tag, ...head]), inner]);
      };
      bytes = length(length(bytes, 0x22), 0x12);
    }
    expect(() => decode(kv.txnRequestType, bytes)).to.throw('nested too deep');
  });

  it('keeps nothing of the packet that a value came in', () => {
    const packet = Buffer.alloc(65_536);
    const bytes = encode(lease.leaseTimeToLiveResponseType, {
      ...{ header: undefined, id: 0n, ttl: 0n, grantedTtl: 0n },
      keys: [Buffer.from('a key')],
    });
    bytes.copy(packet);
    const { keys } = decode(lease.leaseTimeToLiveResponseType, packet.subarray(0, bytes.length));
    expect(keys[0]?.buffer).to.not.equal(packet.buffer);
  });
});

describe('encode()', () => {
  it('says of what happened inside of a transaction only the revision, as etcd', () => {
    const header = { clusterId: 5n, memberId: 6n, revision: 7n, raftTerm: 2n };
    const inner = { revision: 7n, succeeded: false, responses: [] };
    const bytes = encode(kv.txnResponseType, {
      header,
      succeeded: true,
      responses: [
        { kind: 'put', response: { revision: 7n, prevKv: undefined } },
        { kind: 'txn', response: inner },
      ],
    });
    const type = etcd.lookupType('etcdserverpb.TxnResponse');
    expect(type.toObject(type.decode(bytes), { longs: String })).to.deep.equal({
      header: { cluster_id: '5', member_id: '6', revision: '7', raft_term: '2' },
      succeeded: true,
      responses: [{ response_put: { header: { revision: '7' } } }, { response_txn: { header: {} } }],
    });
  });
});

describe('encodeFrame()', () => {
  it('puts the length in front, as gRPC has it', () => {
    const frame = encodeFrame(kv.compactionRequestType, { revision: 300n, physical: true });
    expect(frame.toString('hex')).to.equal('000000000508ac021001');
  });
});
