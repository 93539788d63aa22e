/** The watch over the store's space: it warns long before the store refuses changes. */
import { asFault } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Driver } from './driver.ts';

/** `full` says that the store refuses writes already; `unknown` that it could not be asked. */
type SpaceLevel = 'ok' | 'warn' | 'alarm' | 'full' | 'unknown';

/** What `/readyz` and the metrics show. */
export interface SpaceStatus {
  level: SpaceLevel;
  /** Bytes of the database on disk, and bytes at which writes are refused; 0 while unknown. */
  bytes: number;
  quota: number;
  /** Their ratio, from 0 to 1. */
  used: number;
  /** Alarms in the store's own words. */
  alarms: string[];
  /** One sentence for people; empty when all is well. */
  message: string;
}

export interface SpaceWatch {
  /** Asks the store; never throws. A change of level is logged. */
  check(): Promise<SpaceStatus>;
  /** What the last check found. */
  last(): SpaceStatus;
}

const warnAt = 0.6;
const alarmAt = 0.8;

/** Watches the space of a driver's store. */
export function openSpaceWatch(driver: Driver, log: Log): SpaceWatch {
  let last: SpaceStatus = { ...nothing, message: 'The space of the store was not checked yet.' };
  return {
    last: () => last,
    async check() {
      const before = last.level;
      last = await ask(driver);
      if (last.level !== before) {
        const line = { level: last.level, bytes: last.bytes, quota: last.quota, alarms: last.alarms };
        if (last.level === 'ok') log.info(line, 'the store has space');
        else if (last.level === 'warn') log.warn(line, last.message);
        else log.error(line, last.message);
      }
      return last;
    },
  };
}

const nothing: SpaceStatus = { level: 'unknown', bytes: 0, quota: 0, used: 0, alarms: [], message: '' };

async function ask(driver: Driver): Promise<SpaceStatus> {
  try {
    const { dbSize, quota, alarms } = await driver.status();
    const used = quota > 0 ? dbSize / quota : 1;
    const level = levelOf(used, alarms);
    return { level, bytes: dbSize, quota, used, alarms, message: sentence(level, used, alarms) };
  } catch (error) {
    return { ...nothing, message: `The space of the store is not known: ${asFault(error).message}` };
  }
}

function levelOf(used: number, alarms: string[]): SpaceLevel {
  if (alarms.includes('NOSPACE')) return 'full';
  if (alarms.length > 0 || used >= alarmAt) return 'alarm';
  return used >= warnAt ? 'warn' : 'ok';
}

function sentence(level: SpaceLevel, used: number, alarms: string[]): string {
  const percent = `${Math.round(used * 100)} %`;
  if (level === 'full') return 'The store has no space left and refuses every change.';
  if (level === 'alarm' && alarms.length > 0) return `The store has raised an alarm: ${alarms.join(', ')}.`;
  if (level === 'alarm') return `The store has used ${percent} of its space: changes will soon be refused.`;
  return level === 'warn' ? `The store has used ${percent} of its space.` : '';
}
