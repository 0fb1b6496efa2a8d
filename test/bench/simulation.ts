import { spawnSync } from 'node:child_process';

// Steps per second of the simulation: how many histories fit into a minute of CI.
const program = new URL('../simulation/simulate.js', import.meta.url).pathname;
const { status, stdout, stderr } = spawnSync(process.execPath, [program, '1-100'], { encoding: 'utf8' });
process.stderr.write(stderr);
process.stdout.write(stdout);
process.exit(status ?? 1);
