/** Structured logging by pino: one JSON object a line, or one readable line in a terminal. What looks like a credential is blotted out. */
import { pino } from 'pino';
import type { Log } from './core/ports/log.ts';
import { scrub } from './core/secrets.ts';

export interface LogOptions {
  level: 'debug' | 'info' | 'warn' | 'error';
  /** Where lines go; default standard error, so that standard output stays what a person asked for. */
  write?: (line: string) => void;
  /** Readable lines instead of JSON; default when standard error is a terminal. */
  readable?: boolean;
}

/** Endings of the names of fields whose values are never logged, at any depth: `token`, `botToken`, `MicrosoftAppPassword`, `x-api-key`. */
const secretField =
  /(?:authorization|cookie|passw(?:or)?d|passphrase|secret|secret[-_]?keys?|tokens?|api[-_]?key|access[-_]?key|private[-_]?key|kubeconfig|credentials?)$/i;

/** Opens the log. */
export function openLog(options: LogOptions): Log {
  const readable = options.readable ?? process.stderr.isTTY === true;
  const write = options.write ?? ((line: string) => process.stderr.write(line));
  const destination = {
    write(line: string) {
      write(readable ? readableLine(line) : line);
    },
  };
  const logger = pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return wrap(logger);
}

function wrap(logger: pino.Logger): Log {
  const at = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: Record<string, unknown>, message: string) =>
    logger[level](clean(fields, 0), scrub(message));
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(logger.child(clean(fields, 0))),
  };
}

/** Fields as they may be written: secrets out by name and by look, errors as text, nothing endlessly deep. */
function clean(fields: Record<string, unknown>, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, secretField.test(key) ? '•••' : cleanValue(value, depth)]),
  );
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return scrub(value);
  if (value instanceof Error) return scrub(value.stack ?? value.message);
  if (!value || typeof value !== 'object') return value;
  if (depth >= 4) return '…';
  if (Array.isArray(value)) return value.slice(0, 50).map((each) => cleanValue(each, depth + 1));
  return clean(value as Record<string, unknown>, depth + 1);
}

const levels: Record<number, string> = { 20: 'debug', 30: 'info', 40: 'WARN', 50: 'ERROR' };

function readableLine(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as { level: number; time: string; msg: string };
  const rest = Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : '';
  return `${time.slice(11, 19)} ${(levels[level] ?? String(level)).padEnd(5)} ${msg}${rest}\n`;
}
