import { expect } from 'chai';
import { windowAt, windowProblem } from '../../src/schema/maintenance-window.ts';

const nightly = { cron: '0 2 * * *', duration: '1h' };

describe('windowAt()', () => {
  const cases: [now: string, isOpen: boolean, opensAt?: string][] = [
    ['2026-01-01T01:59:59Z', false, '2026-01-01T02:00:00.000Z'],
    ['2026-01-01T02:00:00Z', true],
    ['2026-01-01T02:59:59Z', true],
    ['2026-01-01T03:00:01Z', false, '2026-01-02T02:00:00.000Z'],
  ];
  for (const [now, isOpen, opensAt] of cases) {
    it(`is ${isOpen ? 'open' : 'closed'} at ${now}`, () => {
      const found = windowAt([nightly], new Date(now));
      expect(found.isOpen).to.equal(isOpen);
      if (!isOpen) expect(found.opensAt?.toISOString()).to.equal(opensAt);
    });
  }

  it('is always open without windows, and with one that is open all day', () => {
    expect(windowAt(undefined, new Date(0)).isOpen).to.equal(true);
    expect(windowAt([{ cron: '0 * * * *', duration: '1h' }], new Date(123_456_789)).isOpen).to.equal(true);
  });

  it('goes by the clock of the time zone', () => {
    const berlin = [{ ...nightly, timezone: 'Europe/Berlin' }];
    expect(windowAt(berlin, new Date('2026-07-01T00:30:00Z')).isOpen).to.equal(true);
    expect(windowAt(berlin, new Date('2026-01-01T00:30:00Z')).isOpen).to.equal(false);
  });
});

describe('windowProblem()', () => {
  const refused = [
    { cron: 'every night', duration: '1h' },
    { cron: '61 2 * * *', duration: '1h' },
    { cron: '0 0 31 2 *', duration: '1h' },
    { cron: '* * * * * *', duration: '1h' },
    { cron: '0 2 * * *', duration: 'long' },
    { cron: '0 2 * * *', duration: '30d' },
    { cron: '0 2 * * *', duration: '1h', timezone: 'Mars/Olympus' },
  ];
  for (const window of refused) {
    it(`refuses ${JSON.stringify(window)}`, () => expect(windowProblem(window)).to.be.a('string'));
  }
  it('has nothing against a good one', () => expect(windowProblem(nightly)).to.equal(undefined));
});
