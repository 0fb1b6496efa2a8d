import type { Command } from 'commander';
import type { World } from './world.ts';

/** Adds one command to the program. */
export type Register = (program: Command, world: World) => void;
