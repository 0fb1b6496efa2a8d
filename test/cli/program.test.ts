import { expect } from 'chai';
import { createProgram } from '../../src/cli/program.ts';
import { pgherd, testWorld } from '../fixtures/world.ts';

describe('pgherd', () => {
  const mistakes: [args: string, ...words: string[]][] = [
    ['gte instances', "unknown command 'gte'", 'Did you mean get?'],
    ['get', "missing required argument 'kind'", '--help'],
    ['get insances', 'Did you mean instances?'],
    ['get instances --watsh', 'Did you mean --watch?'],
    ['get instances -o csv', 'Allowed choices are table, wide, json, yaml, name'],
    ['get cells,nodes --watch', 'one kind at a time'],
    ['apply', "required option '-f, --file"],
    ['describe a/b c', 'use instance or cell'],
    ['wait f1 --for=Redy', 'Did you mean Ready?'],
    ['wait f1 --timeout soon', '"soon" is not a duration'],
    ['delete ../x', 'is not allowed'],
    ['uri a\0b', 'is not allowed'],
    [`uri ${'x'.repeat(300)}`, '(300 characters) is not allowed'],
    ['--etcd ftp://x get cells', 'expected http://HOST:PORT'],
    ['--etcd-user me get cells', 'PGHERD_ETCD_PASSWORD'],
    ['--etcd-cert c get cells', 'give both'],
    ['--root herd get cells', 'expected a path like /herd-a'],
  ];
  for (const [args, ...words] of mistakes) {
    it(`says what is wrong with \`${args.slice(0, 40)}\` in one line and ends with 2`, async () => {
      const { code, err } = await pgherd(testWorld(), args);
      expect(code).to.equal(2);
      for (const word of words) expect(err).to.include(word);
      expect(err.trimEnd().split('\n')).to.have.length(1);
    });
  }

  it('shows examples for every command', () => {
    for (const command of createProgram(testWorld()).commands) {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) });
      command.outputHelp();
      expect(help, command.name()).to.match(/Examples?:\n {2}\$ pgherd /);
    }
  });
});
