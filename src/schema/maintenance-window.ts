import { Cron } from 'croner';
import { z } from 'zod';
import { parseDurationMs } from './duration.ts';

/** When nodes of an instance may be restarted: from every time that `cron` names, for `duration`. */
export const maintenanceWindowShape = z.strictObject({
  /** Five fields: minute, hour, day of the month, month, day of the week. */
  cron: z.string().min(1).max(100),
  duration: z.string().min(1).max(20),
  /** Of the IANA database; UTC when absent. */
  timezone: z.string().min(1).max(60).optional(),
});
export type MaintenanceWindow = z.infer<typeof maintenanceWindowShape>;

const longestMs = 7 * 86_400_000;

/** Why the window makes no sense, undefined when it does. */
export function windowProblem({ cron, duration, timezone }: MaintenanceWindow): string | undefined {
  const lasts = parseDurationMs(duration);
  if (!lasts.ok || lasts.value < 60_000 || lasts.value > longestMs) {
    return `duration is ${JSON.stringify(duration)}: from 1m to 7d is expected`;
  }
  if (cron.trim().split(/\s+/).length !== 5) {
    return `cron is ${JSON.stringify(cron)}: five fields are expected, for example "0 2 * * 6"`;
  }
  try {
    // Looking for a time also tells an unknown time zone, and a day that never comes.
    if (new Cron(cron, { timezone: timezone ?? 'UTC' }).nextRun(new Date(0))) return undefined;
    return `cron is ${JSON.stringify(cron)}: that never comes`;
  } catch (error) {
    return `cron is ${JSON.stringify(cron)}${timezone ? ` in ${timezone}` : ''}: ${(error as Error).message}`;
  }
}

/** Whether one of the windows is open, or when the next one opens; without any it is always open. */
export function windowAt(
  windows: readonly MaintenanceWindow[] | undefined,
  now: Date,
): { readonly isOpen: boolean; readonly opensAt?: Date } {
  if (!windows || windows.length === 0) return { isOpen: true };
  let opensAt: Date | undefined;
  for (const { cron, duration, timezone } of windows) {
    const lasts = parseDurationMs(duration);
    const times = new Cron(cron, { timezone: timezone ?? 'UTC' });
    const last = lasts.ok ? times.nextRun(new Date(now.getTime() - lasts.value)) : null;
    if (last && last <= now) return { isOpen: true };
    const next = times.nextRun(now);
    if (next && (!opensAt || next < opensAt)) opensAt = next;
  }
  return { isOpen: false, ...(opensAt && { opensAt }) };
}
