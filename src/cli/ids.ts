import {
  type CellId,
  type InstanceId,
  parseCellId,
  parseInstanceId,
  parseRouterId,
  type RouterId,
} from '../schema/ids.ts';
import type { Parsed } from '../schema/parsed.ts';
import { usageFailure } from './failure.ts';

/** Ids as typed by the operator. */
export const instanceIdOf = (text: string): InstanceId => typed(parseInstanceId(text));
export const cellIdOf = (text: string): CellId => typed(parseCellId(text));
export const routerIdOf = (text: string): RouterId => typed(parseRouterId(text));

function typed<Id>(id: Parsed<Id>): Id {
  if (!id.ok) throw usageFailure(id.problem);
  return id.value;
}
