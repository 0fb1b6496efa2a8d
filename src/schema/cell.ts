import { z } from 'zod';
import type { CellId } from './ids.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/** Everything of the cells: registered, maintenance, assignments, observed. */
export const cellsPrefix = '/cells/';

/** `/cells/registered/<cell>`: written by the cell agent on its lease; gone means the agent is. */
export const registeredPrefix = '/cells/registered/';
export const registeredKey = (cell: CellId): string => `${registeredPrefix}${cell}`;

/** `/cells/maintenance/<cell>`: written by operators; a cell with this key takes no new nodes, whatever it says. */
export const maintenancePrefix = '/cells/maintenance/';
export const maintenanceKey = (cell: CellId): string => `${maintenancePrefix}${cell}`;

const registrationShape = z.object({
  cell: z.string().min(1),
  /** The name that this cell's registrar keys carry. */
  hostname: z.string().min(1),
  /** Where its nodes are reached. */
  address: z.string().min(1),
  zone: z.string().default('default'),
  labels: z.record(z.string(), z.string()).default({}),
  capacity: z.object({ nodes: z.number().int().min(0), memory_mb: z.number().min(0) }),
  /** process, docker, or simulated: shown wherever the cell is. */
  runtime: z.string(),
  /** Major versions of PostgreSQL that nodes may have here; absent: nobody knows. */
  postgresql_versions: z.array(z.string()).optional(),
  /** Whether nodes may be containers of any image here; absent: nobody knows. */
  images: z.boolean().optional(),
  version: z.string(),
  /** Changes with every boot of the machine. */
  boot_id: z.string(),
  /** Where the agent serves /metrics, host:port. */
  metrics: z.string().optional(),
  /** Only when it is nearly full: the disk that nodes live on. */
  disk: z.object({ directory: z.string(), used_percent: z.number() }).optional(),
  /** What keeps the cell from working, as a sentence. */
  problem: z.string().optional(),
});
export type CellRegistration = z.infer<typeof registrationShape>;
export const parseRegistration = (text: string): Parsed<CellRegistration> => parseJson(text, registrationShape);

const maintenanceShape = z.object({
  /** cordon: no new nodes. drain: its nodes move elsewhere, until `deadline`. forget: it is gone for good. */
  mode: z.enum(['cordon', 'drain', 'forget']),
  reason: z.string().default(''),
  since: z.string().optional(),
  deadline: z.string().optional(),
  /** With forget: also when the only copy of an instance is on it. */
  accept_data_loss: z.boolean().optional(),
});
export type Maintenance = z.infer<typeof maintenanceShape>;
export const parseMaintenance = (text: string): Parsed<Maintenance> => parseJson(text, maintenanceShape);
