import { defaultImage } from '../../schema/binding.ts';
import { defaultCatalog } from '../../schema/catalog.ts';
import { defaultDeletionBurst, defaultDeletionGraceMs } from '../../schema/deletion.ts';
import { defaultPortQuarantineMs } from '../../schema/quarantine.ts';
import { defaultPortRange } from '../../schema/routing.ts';
import type { Settings } from './instance-view.ts';

/** What a controller goes by that was told nothing. */
export const defaultSettings: Settings = {
  catalog: defaultCatalog,
  portRange: defaultPortRange,
  image: defaultImage,
  deletionGraceMs: defaultDeletionGraceMs,
  deletionBurst: defaultDeletionBurst,
  maxConcurrentRollouts: 10,
  portQuarantineMs: defaultPortQuarantineMs,
};
