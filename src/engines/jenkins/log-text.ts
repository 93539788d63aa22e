import { oneLine, scrub } from '../scrub.ts';

/** Largest log that is handed on, in bytes. */
export const longestLog = 1024 * 1024;

/** Escape sequences for colours (ECMA-48), made from the number of ESC: written out it would not be seen. */
const colours = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, 'g');
const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g;

/** What Jenkins and its plugins write around what went wrong, which says nothing by itself. */
const noise = [
  /^\[Pipeline\]/,
  /^Finished: [A-Z_]+$/,
  /^(ERROR: )?script returned exit code \d+$/,
  /^Build step '.*' marked build as failure$/,
  /^ERROR: Build step failed with exception$/,
  /^(Archiving artifacts|Recording test results|\+ exit \d+|Sending e-mails to:.*|Terminated|script returned .*)$/,
  /^\s*at [\w.$<>/]+\(.*\)$/,
  /^(Sending interrupt signal to process|After \d+s process did not stop)$/,
  /^Also: {3}/,
  /^org\.jenkinsci\.plugins\.workflow\.actions\.ErrorAction\$ErrorId: /,
];

/** Words that the line which says what went wrong usually has, the surest first. */
const tells = [
  /^(\[[^\]]*\]\s*)*(ERROR|FATAL)\b[: ]/,
  /\bfatal(ly)?: |\bFAILED!|\bfatal error\b/i,
  /\b[A-Z]\w*(Exception|Error): /,
  /\berror\b[: ]|\bquota exceeded\b|\bfailed\b[: ]/i,
];

/** The lines of a console as a person reads them: without colours, timestamps of the Timestamper plugin and carriage returns. */
export function cleanLines(text: string): string[] {
  return text
    .replace(colours, '')
    .split(/\r?\n|\r/)
    .map((line) => line.replace(/^\[\d{4}-\d\d-\d\dT[\d:.]+Z\] |^\d\d:\d\d:\d\d {1,2}/, '').trimEnd());
}

/** The last line that says something, for the step under way. */
export function lastLine(text: string, secrets: readonly string[]): string | undefined {
  const line = cleanLines(text).findLast((each) => each.trim() !== '' && !isNoise(each));
  return line === undefined ? undefined : oneLine(line, secrets, 120) || undefined;
}

/** The line of a failed build's console that says best why it failed, or the last one that says something. */
export function reasonIn(text: string, secrets: readonly string[], result?: string): string | undefined {
  const lines = cleanLines(text)
    .slice(-400)
    .filter((line) => line.trim() !== '' && !isNoise(line));
  for (const tell of result === 'ABORTED'
    ? [/^Aborted by |^Build timed out|^Cancelling nested steps/, ...tells]
    : tells) {
    const found = lines.findLast((line) => tell.test(line));
    if (found) return oneLine(found, secrets) || undefined;
  }
  const last = lines.at(-1);
  return last === undefined ? undefined : oneLine(last, secrets) || undefined;
}

function isNoise(line: string): boolean {
  return noise.some((pattern) => pattern.test(line.trim()));
}

/** The end of a console, short enough to be kept with an error, without secrets. */
export function endOf(text: string, secrets: readonly string[]): string {
  const lines = cleanLines(text);
  let size = 0;
  let from = lines.length;
  while (from > 0 && size < 3_500) {
    from -= 1;
    size += (lines[from]?.length ?? 0) + 1;
  }
  return scrub(lines.slice(from).join('\n').slice(-3_800), secrets);
}

/** A whole log without secrets, at most `longestLog` bytes, the end of it. */
export function scrubLog(text: string, secrets: readonly string[]): string {
  let clean = text.replace(colours, '').replace(privateKey, '[private key]');
  for (const secret of secrets) {
    if (secret.length >= 4) clean = clean.replaceAll(secret, '[secret]');
  }
  // `scrub` keeps 4,000 characters: whole lines go through it in pieces of less.
  const done: string[] = [];
  let piece = '';
  for (const line of clean.split('\n').flatMap(inParts)) {
    if (piece.length + line.length > 3_800) {
      done.push(scrub(piece, secrets));
      piece = '';
    }
    piece += `${line}\n`;
  }
  done.push(scrub(piece, secrets));
  const whole = Buffer.from(done.join('').trimEnd(), 'utf8');
  if (whole.length <= longestLog) return whole.toString('utf8');
  const end = whole.subarray(whole.length - longestLog).toString('utf8');
  return end.slice(end.indexOf('\n') + 1);
}

/** A line of any length in parts that `scrub` takes, cut where words end so that no secret is cut in two. */
function inParts(line: string): string[] {
  if (line.length <= 3_700) return [line];
  const parts: string[] = [];
  let rest = line;
  while (rest.length > 3_700) {
    const space = rest.lastIndexOf(' ', 3_700);
    const at = space > 1_000 ? space + 1 : 3_700;
    parts.push(rest.slice(0, at));
    rest = rest.slice(at);
  }
  parts.push(rest);
  return parts;
}
