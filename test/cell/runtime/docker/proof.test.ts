import { expect } from 'chai';
import type { Inspection } from '../../../../src/cell/runtime/docker/engine.ts';
import type { DockerRecord } from '../../../../src/cell/runtime/docker/node-record.ts';
import { proveGone } from '../../../../src/cell/runtime/docker/proof.ts';
import type { Run } from '../../../../src/cell/runtime/process/proof.ts';
import { FakeClock } from '../../../fixtures/fake-clock.ts';
import { type FakeProcess, FakeProcessTable } from '../../../fixtures/fake-process-table.ts';

const id = 'c0ffee';
const run: Run = { bootId: 'boot-1', init: { pid: 100, startTime: '5000' }, namespace: 'pid:[7]' };
const again: FakeProcess = { start: '7000', namespace: 'pid:[8]', inner: 1 };

interface Situation {
  /** What the engine says of the container; nothing: there is none. */
  readonly engine?: Partial<Pick<Inspection, 'running' | 'pid' | 'everStarted'>>;
  readonly record?: Partial<Pick<DockerRecord, 'run' | 'doubtfulSince'>>;
  readonly processes?: Record<number, FakeProcess>;
  readonly expected: 'proven' | 'unproven';
}

const situations: Record<string, Situation> = {
  'its container has exited': { engine: { running: false, pid: 0 }, record: { run }, expected: 'proven' },
  'its container is gone': { record: { run }, expected: 'proven' },
  'the engine did not notice yet that its process ended': {
    engine: { running: true, pid: 100 },
    record: { run },
    expected: 'proven',
  },
  'somebody started it again': {
    engine: { running: true, pid: 200 },
    record: { run },
    processes: { 200: again },
    expected: 'proven',
  },
  'the engine names a later process of the same pid that is in no such container': {
    engine: { running: true, pid: 100 },
    record: { run },
    processes: { 100: { start: '9000', namespace: 'pid:[1]' } },
    expected: 'unproven',
  },
  'somebody started it again where this kernel does not see it': {
    engine: { running: true, pid: 200 },
    record: { run },
    expected: 'unproven',
  },
  'it was created and never started': { engine: { everStarted: false, running: false, pid: 0 }, expected: 'proven' },
  'it died before anybody saw its process': { engine: { running: false, pid: 0 }, expected: 'unproven' },
  'an earlier run of this boot was unproven': { record: { run, doubtfulSince: 'boot-1' }, expected: 'unproven' },
};

describe('proveGone()', () => {
  for (const [what, { engine, record, processes, expected }] of Object.entries(situations)) {
    it(`removes the container and answers ${expected} when ${what}`, async () => {
      const table = new FakeProcessTable(processes);
      const container = { id, running: false, pid: 0, everStarted: true, ...engine } as Inspection;
      const removed: string[] = [];
      const proof = await proveGone('cf-a', { ...record } as DockerRecord, {
        engine: {
          inspect: async () => (engine ? container : undefined),
          async remove(name) {
            removed.push(name);
            // An engine kills what it removes by force.
            table.end(200);
          },
        },
        host: { table, cgroups: (pid) => (pid === 200 ? `/docker/${id}` : '/') },
        clock: new FakeClock(),
        patienceMs: 0,
      });
      expect(removed).to.deep.equal(['cf-a']);
      expect(proof).to.equal(expected);
    });
  }
});
