import { Option } from 'commander';
import { type PortRange, parsePortRange } from '../schema/routing.ts';
import { usageFailure } from './failure.ts';

/** `--ports`, for all that must agree on it. */
export const portsOption = (): Option =>
  new Option('--ports <first-last>', 'public ports; read-only ones are the block of the same size right below')
    .default('30000-32767')
    .env('PGHERD_PORTS');

export function portRangeOf(text: string): PortRange {
  const range = parsePortRange(text);
  if (!range.ok) throw usageFailure(`--ports: ${range.problem}`);
  return range.value;
}
