import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { belowDesiredStatePrefix, desiredStateKey } from '../../schema/desired-state.ts';
import { eventsPrefix, parseEvent } from '../../schema/event.ts';
import { instanceOfNode } from '../../schema/ids.ts';
import { scopePrefix } from '../../schema/patroni.ts';
import type { KeyValue } from '../../store/store.ts';
import { explain } from '../explain.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { noInstance } from '../instance.ts';
import { eventRanges, herdRanges, readHerd } from '../read-herd.ts';
import { redact, redactText } from '../redact.ts';
import type { Register } from '../register.ts';
import { listAll, withStore } from '../session.ts';
import { version } from '../version.ts';

/** `pgherd report ID`: everything about one instance for a bug report, without secrets. */
export const report: Register = (program, world) => {
  program
    .command('report')
    .description('write all that is known about an instance, without passwords, for a bug report')
    .argument('<id>', 'the instance')
    .option('-o, --out <file>', 'where to; default ID-report.json.gz, - for standard output, as plain JSON')
    .addHelpText('after', '\nExample:\n  $ pgherd report f2')
    .action(async (idText: string, _, command) => {
      const options = optionsOf<{ readonly out?: string }>(command);
      const id = instanceIdOf(idText);
      await withStore(world, options, async (store, signal) => {
        const all = await listAll(store, [...herdRanges, ...eventRanges], signal);
        const herd = readHerd(all);
        const instance = herd.instances.get(id);
        if (!instance?.document && !instance?.state) throw await noInstance(store, id, signal);
        const bundle = {
          pgherd: version,
          at: new Date(world.clock.now()).toISOString(),
          controller: herd.controller,
          explanation: explain(instance, herd.controller, world.clock.now()),
          keys: all.filter((kv) => isAbout(kv, id)).map(printed),
        };
        const text = `${JSON.stringify(bundle, null, 1)}\n`;
        if (options.out === '-') {
          world.stdout.write(text);
          return;
        }
        const file = options.out ?? `${id}-report.json.gz`;
        try {
          await writeFile(file, gzipSync(text), { mode: 0o600, flag: 'wx' });
        } catch (cause) {
          throw new Failure(`cannot write ${file}`, { cause });
        }
        world.stdout.write(
          `${file}: ${bundle.keys.length} keys, without passwords; look through it before you send it\n`,
        );
      });
    });
};

const scopeOf = (id: string): readonly string[] => [
  belowDesiredStatePrefix(id as never),
  scopePrefix(id as never),
  '/cells/registered/',
  '/routing/routers/',
  `/routing/allocation/${id}`,
];

function isAbout({ key, value }: KeyValue, id: string): boolean {
  if (key === desiredStateKey(id as never) || scopeOf(id).some((prefix) => key.startsWith(prefix))) return true;
  if (key.startsWith('/routing/ports/')) return value === id || value.includes(`"quarantined":"${id}"`);
  if (key.startsWith(eventsPrefix)) {
    const event = parseEvent(value);
    return event.ok && (event.value.object === `instance/${id}` || event.value.message.includes(`${id}-`));
  }
  return /^\/cells\/(?:assignments|observed)\//.test(key) && instanceOfNode(key.split('/').at(-1) ?? '') === id;
}

function printed({ key, value, modRevision }: KeyValue): unknown {
  if (key.endsWith('/credentials')) return { key, revision: String(modRevision), value: '(removed)' };
  let read: unknown = value;
  try {
    read = JSON.parse(value);
  } catch {
    read = redactText(value);
  }
  return { key, revision: String(modRevision), value: redact(read) };
}
