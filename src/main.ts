#!/usr/bin/env node
import { runProgram } from './cli/program.ts';
import { systemWorld } from './cli/world.ts';

process.exitCode = await runProgram(process.argv.slice(2), systemWorld());
