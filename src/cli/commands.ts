import { adopt } from './commands/adopt.ts';
import { apply } from './commands/apply.ts';
import { cell } from './commands/cell.ts';
import { complete } from './commands/complete.ts';
import { completion } from './commands/completion.ts';
import { confirmDeletions } from './commands/confirm-deletions.ts';
import { controller } from './commands/controller.ts';
import { cordon, uncordon } from './commands/cordon.ts';
import { remove } from './commands/delete.ts';
import { describe } from './commands/describe.ts';
import { drain } from './commands/drain.ts';
import { edit } from './commands/edit.ts';
import { fence, unfence } from './commands/fence.ts';
import { forget } from './commands/forget.ts';
import { get } from './commands/get.ts';
import { hibernate, wake } from './commands/hibernate.ts';
import { kv } from './commands/kv.ts';
import { psql } from './commands/psql.ts';
import { purge } from './commands/purge.ts';
import { rebalance } from './commands/rebalance.ts';
import { registry } from './commands/registry.ts';
import { report } from './commands/report.ts';
import { rollback } from './commands/rollback.ts';
import { router } from './commands/router.ts';
import { serviceStatus } from './commands/service-status.ts';
import { showCells } from './commands/show-cells.ts';
import { snapshot } from './commands/snapshot.ts';
import { status } from './commands/status.ts';
import { switchover } from './commands/switchover.ts';
import { undelete } from './commands/undelete.ts';
import { up } from './commands/up.ts';
import { uri } from './commands/uri.ts';
import { wait } from './commands/wait.ts';
import type { Register } from './register.ts';

/** Every command, in the order of the help. */
export const commands: readonly Register[] = [
  apply,
  edit,
  get,
  status,
  describe,
  remove,
  undelete,
  rollback,
  adopt,
  report,
  snapshot,
  hibernate,
  wake,
  fence,
  unfence,
  purge,
  confirmDeletions,
  wait,
  uri,
  psql,
  switchover,
  cordon,
  uncordon,
  drain,
  rebalance,
  forget,
  serviceStatus,
  showCells,
  up,
  controller,
  cell,
  router,
  kv,
  registry,
  completion,
  complete,
];
