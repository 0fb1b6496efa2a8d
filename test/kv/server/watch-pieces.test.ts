import { expect } from 'chai';
import fc from 'fast-check';
import type { Event } from '../../../src/kv/messages.ts';
import { piecesOf } from '../../../src/kv/server/watch-pieces.ts';

const event = (revision: number, bytes: number): Event => ({
  type: 'PUT',
  kv: {
    key: Buffer.from('k'),
    value: Buffer.alloc(bytes),
    ...{ createRevision: 1n, modRevision: BigInt(revision), version: 1n, lease: 0n },
  },
  prevKv: undefined,
});

const shown = (pieces: ReturnType<typeof piecesOf>) =>
  pieces.map(({ events, revision, fragment }) => ({
    events: events.map(({ kv }) => Number(kv.modRevision)),
    revision: Number(revision),
    fragment,
  }));

describe('piecesOf()', () => {
  it('leaves in one message what fits into it', () => {
    const events = [event(2, 10), event(2, 10), event(3, 10)];
    expect(shown(piecesOf(events, 9n, { maxBytes: 1000, fragment: false }))).to.deep.equal([
      { events: [2, 2, 3], revision: 9, fragment: false },
    ]);
  });

  it('cuts between revisions, and says of each message how far it goes', () => {
    const events = [event(2, 10), event(3, 10), event(3, 10), event(4, 10)];
    expect(shown(piecesOf(events, 9n, { maxBytes: 160, fragment: false }))).to.deep.equal([
      { events: [2], revision: 2, fragment: false },
      { events: [3, 3], revision: 3, fragment: false },
      { events: [4], revision: 9, fragment: false },
    ]);
  });

  it('never tears a revision apart, unless fragments are asked for', () => {
    const events = [event(2, 10), event(3, 90), event(3, 90), event(3, 90), event(4, 10)];
    expect(shown(piecesOf(events, 4n, { maxBytes: 100, fragment: false })).map((piece) => piece.events)).to.deep.equal([
      [2],
      [3, 3, 3],
      [4],
    ]);
    expect(shown(piecesOf(events, 4n, { maxBytes: 200, fragment: true }))).to.deep.equal([
      { events: [2], revision: 2, fragment: false },
      { events: [3], revision: 3, fragment: true },
      { events: [3], revision: 3, fragment: true },
      { events: [3], revision: 3, fragment: false },
      { events: [4], revision: 4, fragment: false },
    ]);
  });

  it('loses, doubles and reorders nothing, and the last of a revision is never a fragment', () => {
    const batch = fc.array(fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 300 })), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(batch, fc.integer({ min: 50, max: 700 }), fc.boolean(), (steps, maxBytes, fragment) => {
        let revision = 2;
        const events = steps.map(([step, bytes]) => {
          revision += step;
          return event(revision, bytes);
        });
        const pieces = piecesOf(events, BigInt(revision), { maxBytes, fragment });
        expect(pieces.flatMap((piece) => piece.events)).to.deep.equal(events);
        pieces.forEach((piece, index) => {
          const next = pieces[index + 1]?.events[0]?.kv.modRevision;
          const last = piece.events.at(-1)?.kv.modRevision;
          expect(piece.fragment).to.equal(last === next);
          expect(piece.revision).to.equal(last);
          if (!fragment) expect(piece.fragment).to.equal(false);
        });
      }),
    );
  });
});
