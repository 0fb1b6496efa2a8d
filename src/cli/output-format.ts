import { Option } from 'commander';
import { printYaml } from '../schema/yaml.ts';
import type { World } from './world.ts';

/** How results are printed: a table for people, the rest for programs. */
export const outputFormats = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type OutputFormat = (typeof outputFormats)[number];

export const outputOption = (): Option =>
  new Option('-o, --output <format>', 'how to print').choices(outputFormats).default('table').env('PGHERD_OUTPUT');

/** Prints a value for programs. */
export function writeStructured(world: World, format: 'json' | 'yaml', value: unknown): void {
  world.stdout.write(format === 'json' ? `${JSON.stringify(value, undefined, 2)}\n` : printYaml(value));
}
