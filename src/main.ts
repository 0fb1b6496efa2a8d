#!/usr/bin/env -S node --max-semi-space-size=8
import { runProgram } from './cli/program.ts';
import { systemWorld } from './cli/world.ts';

process.exitCode = await runProgram(process.argv.slice(2), systemWorld());
