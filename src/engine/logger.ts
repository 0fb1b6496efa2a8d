import { type Logger, pino } from 'pino';
import { scrub } from './scrub.ts';

export type { Logger };

export interface LoggerOptions {
  readonly level: string;
  /** `json` for machines, `text` for terminals. */
  readonly format: 'json' | 'text';
  readonly destination: { write(line: string): unknown };
}

/** The logger of a process; everything else gets a child of it. */
export function createLogger({ level, format, destination }: LoggerOptions): Logger {
  const print = format === 'json' ? (line: string) => line : formatLine;
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => void destination.write(scrub(print(line))) },
  );
}

function formatLine(line: string): string {
  const { time, level, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  let text = `${time} ${String(level).toUpperCase().padEnd(5)} ${msg ?? ''}`;
  for (const [name, value] of Object.entries(fields)) text += ` ${name}=${formatValue(value)}`;
  if (isSerializedError(err)) text += ` err=${JSON.stringify(err.message)}${level === 'debug' ? `\n${err.stack}` : ''}`;
  return `${text}\n`;
}

function formatValue(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return value;
  return JSON.stringify(value);
}

// pino's serializer has already joined the messages of all causes.
function isSerializedError(value: unknown): value is { message: string; stack: string } {
  return typeof value === 'object' && value !== null && 'message' in value && 'stack' in value;
}
