import type { KeyValue } from '../messages.ts';
import type { StorageEngine } from '../storage/engine.ts';
import { refusals } from './refusals.ts';

const pageRows = 500;
const zero = Buffer.of(0);

/** All keys at a revision, a page at a time, with everybody else's work in between. */
export async function* pagesAt(engine: StorageEngine, revision: bigint): AsyncGenerator<readonly KeyValue[]> {
  let from: Buffer = Buffer.alloc(0);
  for (;;) {
    const span = { from, to: undefined };
    const options = { revision, limit: pageRows };
    const page = await engine.read(
      () => ({ keys: [], scans: [{ span, options, rows: true }], leases: [], keysOf: [], meta: [] }),
      (view) => {
        if (revision < view.compactRevision) throw refusals.compacted();
        return view.scan(span, options);
      },
    );
    if (page.length) yield page;
    const last = page.at(-1);
    if (!last || page.length < pageRows) return;
    from = Buffer.concat([last.key, zero]);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
