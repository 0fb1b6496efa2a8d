import { spawn } from 'node:child_process';
import { expect } from 'chai';

const program = new URL('./simulate.js', import.meta.url).pathname;
const seeds = Number(process.env['SEEDS'] ?? 2_000);

/** Plays the seeds from `first` to `last` in a process of its own; resolves with what it printed, and how it ended. */
function simulate(first: number, last: number): Promise<{ readonly code: number | null; readonly printed: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--enable-source-maps', program, `${first}-${last}`], { timeout: 900_000 });
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, printed }));
  });
}

describe('a whole control plane, played by seed', function () {
  this.timeout(1_000_000);

  it(`breaks no promise in ${seeds} histories of edits, crashes, lost cells, faults of the store and of clocks`, async () => {
    const half = Math.ceil(seeds / 2);
    const played = await Promise.all([simulate(1, half), simulate(half + 1, seeds)]);
    for (const { code, printed } of played) expect(code, printed).to.equal(0);
  });
});
