import { type BackendOptions, openBackend } from '../../src/kv/open-backend.ts';
import { systemClock } from '../../src/time/clock.ts';
import { testKvBackend } from '../contract/kv-backend.ts';
import { checkAgainstModel } from '../contract/kv-model.ts';

testKvBackend('memory', {
  open: (options: Partial<BackendOptions>) => openBackend({ engine: 'memory', clock: systemClock, ...options }),
  close: async () => {},
});

describe('kv backend on memory, whatever happens', () => {
  it('reads and tells of every revision what a model says', () =>
    checkAgainstModel(() => openBackend({ engine: 'memory', clock: systemClock }), 60));
});
