import { expect } from 'chai';
import { createLogger } from '../../src/engine/logger.ts';

describe('createLogger()', () => {
  function log(format: 'json' | 'text', level = 'info') {
    const lines: string[] = [];
    return { lines, logger: createLogger({ level, format, destination: { write: (line) => lines.push(line) } }) };
  }

  it('writes one JSON object a line, with the level by name', () => {
    const { lines, logger } = log('json');
    logger.child({ controller: 'herd' }).info({ instance: 'f1' }, 'placed');
    const { time, ...rest } = JSON.parse(lines[0] as string) as Record<string, unknown>;
    expect(rest).to.deep.equal({ level: 'info', controller: 'herd', instance: 'f1', msg: 'placed' });
    expect(time).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('writes text that people can read, errors with their causes', () => {
    const { lines, logger } = log('text');
    const err = new Error('put /a', { cause: new Error('connection refused') });
    logger.warn({ instance: 'f1', problem: 'no room', err }, 'placement failed');
    expect(lines[0]).to.match(
      /^\S+Z WARN {2}placement failed instance=f1 problem="no room" err="put \/a: connection refused"\n$/,
    );
  });

  it('writes nothing below its level', () => {
    const { lines, logger } = log('text');
    logger.debug('detail');
    expect(lines).to.deep.equal([]);
  });

  for (const format of ['json', 'text'] as const) {
    it(`writes no password of a URI (${format})`, () => {
      const { lines, logger } = log(format);
      logger.error({ err: new Error('connect postgres://admin:hunter2@127.0.0.1/'), uri: 'http://u:hunter2@h' }, 'no');
      expect(lines.join()).to.include('postgres://admin:***@127.0.0.1/').and.not.include('hunter2');
    });
  }
});
