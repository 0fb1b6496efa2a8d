import { type BackendOptions, openBackend } from '../../src/kv/open-backend.ts';
import { systemClock } from '../../src/time/clock.ts';
import { testKvBackend } from '../contract/kv-backend.ts';

testKvBackend('memory', {
  open: (options: Partial<BackendOptions>) => openBackend({ engine: 'memory', clock: systemClock, ...options }),
  close: async () => {},
});
