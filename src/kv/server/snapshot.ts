import { snapshotResponseType } from '../protocol/maintenance.ts';
import { nothingType } from '../protocol/plain.ts';
import { asMaintenance } from './maintenance-refusal.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';
import { framed } from './snapshot-file.ts';

/** Maintenance.Snapshot: the whole store, as fast as the client takes it. */
export const snapshot = ({ backend, gate, identity }: ServerParts): Method =>
  method({
    kind: 'stream',
    path: '/etcdserverpb.Maintenance/Snapshot',
    gateway: ['/maintenance/snapshot'],
    request: nothingType,
    response: snapshotResponseType,
    open(answers, caller) {
      const closing = new AbortController();
      let room: (() => void) | undefined;
      return {
        async next() {
          asMaintenance(() => gate.requireAdmin(caller));
          const header = identity.header(backend.revision);
          try {
            for await (const blob of framed(backend.snapshot(closing.signal))) {
              if (answers.write({ header, remainingBytes: 0n, blob }) || closing.signal.aborted) continue;
              await new Promise<void>((resolve) => {
                room = resolve;
              });
            }
          } catch (error) {
            if (!closing.signal.aborted) throw error;
          }
          answers.end();
        },
        end() {},
        drained: () => room?.(),
        closed() {
          closing.abort();
          room?.();
        },
      };
    },
  });
