import { type Condition, condition, type ObservedState } from '../../schema/observed-state.ts';
import { printAge } from '../duration.ts';
import { explain } from '../explain.ts';
import { Failure, usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import type { CellView, Herd, InstanceView } from '../herd.ts';
import { eventRanges, herdRanges, readHerd } from '../read-herd.ts';
import type { Register } from '../register.ts';
import { cells } from '../resources/cells.ts';
import { events, isAbout } from '../resources/events.ts';
import { instanceRow } from '../resources/instances.ts';
import { nodes } from '../resources/nodes.ts';
import { listAll, withStore } from '../session.ts';
import { didYouMean } from '../similar.ts';
import { cellHealth, cellStatus, instanceStatus, isCurrent, nodeStatus, waitsFor } from '../status.ts';
import { type Column, printTable } from '../table.ts';

/** `pgherd describe ID`: everything about one instance or one cell, and what it waits for. */
export const describe: Register = (program, world) => {
  program
    .command('describe')
    .usage('[instance|cell] ID')
    .description('show all about an instance or a cell: conditions, nodes, events, what it waits for')
    .argument('<kind-or-id>')
    .argument('[id]')
    .addHelpText(
      'after',
      `
Examples:
  $ pgherd describe example
  $ pgherd describe cell cell-1`,
    )
    .action(async (first: string, second: string | undefined, _, command) => {
      const [kind, id] = second === undefined ? ['instance', first] : [first, second];
      if (kind !== 'instance' && kind !== 'cell') {
        throw usageFailure(`cannot describe ${JSON.stringify(kind)}: use instance or cell`);
      }
      const print = kind === 'cell' ? printCell : printInstance;
      await withStore(world, optionsOf(command), async (store, signal) => {
        const herd = readHerd(await listAll(store, [...herdRanges, ...eventRanges], signal));
        world.stdout.write(print(id, herd, world.clock.now));
      });
    });
};

function printInstance(id: string, herd: Herd, now: () => number): string {
  const instance = herd.instances.get(id);
  if (!instance?.document && !instance?.state) {
    throw new Failure(`no instance ${JSON.stringify(id)}.${didYouMean(id, herd.instances.keys())}`);
  }
  const row = instanceRow(instance, herd);
  const { state } = row;
  const waits = waitsFor(instance, herd.controller);
  const accepted = state && condition(state, 'Accepted');
  return (
    fields({
      Instance: id,
      Plan: row.plan,
      Status: instanceStatus(instance),
      'Waits for': waits,
      Endpoint: state?.endpoint,
      'Read-only': state?.read_only_endpoint,
      Leader: instance.leader,
      Members: state?.accepted?.adopted ? membersOf(instance) : undefined,
      Operation: state && `${state.last_operation.state}: ${state.last_operation.description}`,
      Generation: isCurrent(instance)
        ? state?.observed_generation
        : `${instance.document?.modRevision ?? 'document deleted'}, observed ${state?.observed_generation ?? 'none'}`,
      Document: state && accepted?.status === 'False' ? refused(state) : undefined,
    }) +
    `\nWhat it waits for:\n${explain(instance, herd.controller, now())
      .map((line) => `  ${line}\n`)
      .join('')}` +
    rows('Conditions', conditionColumns(now), state?.conditions ?? []) +
    rows('Nodes', narrow(nodes.columns(now), 'INSTANCE'), row.nodes) +
    eventsAbout(`instance/${id}`, [id, ...instance.nodes.map((node) => node.id)], herd, now)
  );
}

/** Of a cluster whose nodes are none of ours only Patroni's own keys tell. */
const membersOf = ({ members }: InstanceView): string =>
  [...members].map(([name, member]) => `${name} (${member.ok ? member.value.state : 'unreadable'})`).join(', ');

const refused = (state: ObservedState): string =>
  state.accepted ? 'refused; the one that was accepted before stays in force' : 'refused';

function printCell(id: string, herd: Herd, now: () => number): string {
  const cell: CellView | undefined = herd.cells.get(id);
  if (!cell) throw new Failure(`no cell ${JSON.stringify(id)}.${didYouMean(id, herd.cells.keys())}`);
  const registration = cell.registration?.ok ? cell.registration.value : undefined;
  const shown = Object.fromEntries(cells.columns(now).map(({ heading, show }) => [heading, show(cell)]));
  return (
    fields({
      Cell: id,
      Status: cellStatus(cell, now()),
      Health: cellHealth(cell, now()),
      Problem: registration?.problem ?? (cell.registration ? undefined : 'its agent is not running: `pgherd cell`'),
      Maintenance: cell.maintenance?.ok
        ? `${cell.maintenance.value.mode}: ${cell.maintenance.value.reason}`
        : undefined,
      Zone: registration?.zone,
      Runtime: registration?.runtime,
      Address: registration?.address,
      Labels: shown['LABELS'],
      Capacity: registration && `${shown['NODES']} nodes, ${shown['MEMORY-MB']} MB`,
      Version: registration?.version,
      Metrics: registration?.metrics,
    }) +
    rows(
      'Nodes',
      narrow(nodes.columns(now), 'CELL'),
      cell.nodes.map((node) => nodeStatus(node, herd)),
    ) +
    eventsAbout(`cell/${id}`, [id], herd, now)
  );
}

const conditionColumns = (now: () => number): readonly Column<Condition>[] => [
  { heading: 'TYPE', show: ({ type }) => type },
  { heading: 'STATUS', show: ({ status }) => status },
  { heading: 'SINCE', show: ({ since }) => printAge(since, now()) },
  { heading: 'REASON', show: ({ reason }) => reason },
  { heading: 'MESSAGE', show: ({ message }) => message },
];

/** The usual columns and errors, without the one that says what is described. */
const narrow = <T>(columns: readonly Column<T>[], without: string): Column<T>[] =>
  columns.filter(({ wide, heading }) => (!wide || heading === 'ERROR') && heading !== without);

function fields(values: Readonly<Record<string, string | undefined>>): string {
  const shown = Object.entries(values).filter(([, value]) => value);
  const width = Math.max(...shown.map(([name]) => name.length)) + 1;
  return shown.map(([name, value]) => `${`${name}:`.padEnd(width)} ${value}\n`).join('');
}

function rows<T>(title: string, columns: readonly Column<T>[], values: readonly T[]): string {
  const body = values.length > 0 ? printTable(columns, values).trimEnd() : 'none';
  return `\n${title}:\n${body.replaceAll(/^/gm, '  ')}\n`;
}

const latestEvents = 20;

function eventsAbout(object: string, names: readonly string[], herd: Herd, now: () => number): string {
  const about = herd.events.filter((each) => each.event.object === object || names.some((name) => isAbout(each, name)));
  return rows('Events', narrow(events.columns(now), ''), about.slice(-latestEvents));
}
