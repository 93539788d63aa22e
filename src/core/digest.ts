/** When a digest is due: on the clocks of its zone, also when these are put forward or back. */

/** A day of the week or every day, at a minute of the day, on the clocks of a zone of the IANA database. */
export interface Schedule {
  /** 0 is Sunday. */
  weekday?: number | undefined;
  minute: number;
  zone: string;
}

const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const day = 86_400_000;

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  clocks.set(zone, made);
  return made;
}

/** What the clocks of a zone show at a moment, as if they were UTC. */
function shownAt(zone: string, at: number): number {
  const parts = new Map<string, number>(
    clockOf(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const of = (type: string) => parts.get(type) ?? 0;
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
}

/**
 * The moment at which the clocks of a zone show this. Of two (they are put back) the first; of none (they are put forward past it) the moment at
 * which they would have shown it had they not been touched.
 */
function momentOf(zone: string, shown: number): number {
  const offset = (near: number) => shownAt(zone, near) - Math.floor(near / 1_000) * 1_000;
  const before = shown - offset(shown - day);
  const after = shown - offset(shown + day);
  const right = [before, after].filter((at) => shownAt(zone, at) === shown);
  return right.length > 0 ? Math.min(...right) : before;
}

/** The first moment after `after` at which it is due, in epoch milliseconds. */
export function nextDue({ weekday, minute, zone }: Schedule, after: number): number {
  const today = Math.floor(shownAt(zone, after) / day) * day;
  for (let ahead = 0; ahead <= 9; ahead += 1) {
    const date = today + ahead * day;
    if (weekday !== undefined && new Date(date).getUTCDay() !== weekday) continue;
    const at = momentOf(zone, date + minute * 60_000);
    if (at > after) return at;
  }
  throw new RangeError('No week is without the day.');
}

/** The zone as the IANA database spells it; null when there is none of that name. */
export function knownZone(zone: string): string | null {
  try {
    const { timeZone } = new Intl.DateTimeFormat('en-US', { timeZone: zone.trim() }).resolvedOptions();
    return /^(?:utc|gmt|etc\/utc)$/i.test(zone.trim()) ? 'UTC' : timeZone;
  } catch {
    return null;
  }
}

/** Reads `09:00`, `9`, `17.30`, `9am`, `5:30 pm` as a minute of the day; null when it is no time. */
export function readTime(text: string): number | null {
  const found = /^(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm)?$/i.exec(text.trim());
  if (!found) return null;
  const [, hours = '', minutes = '0', half] = found;
  let hour = Number(hours);
  if (half !== undefined) {
    if (hour < 1 || hour > 12) return null;
    hour = (hour % 12) + (half.toLowerCase() === 'pm' ? 12 : 0);
  }
  return hour < 24 && Number(minutes) < 60 ? hour * 60 + Number(minutes) : null;
}

/** Reads `mon`, `monday`, `Mo`; the day's number, or null. */
export function readWeekday(text: string): number | null {
  const wanted = text.trim().toLowerCase();
  const found = wanted.length < 2 ? -1 : weekdays.findIndex((each) => each.startsWith(wanted));
  return found < 0 ? null : found;
}

/** "every day at 09:00 (Europe/Berlin)". */
export function scheduleText({ weekday, minute, zone }: Schedule): string {
  const name = weekday === undefined ? undefined : weekdays[weekday];
  const when = name === undefined ? 'day' : `${name[0]?.toUpperCase()}${name.slice(1)}`;
  return `every ${when} at ${timeText(minute)} (${zone})`;
}

/** `09:00`. */
export function timeText(minute: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}
