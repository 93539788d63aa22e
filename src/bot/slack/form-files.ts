/**
 * Texts that come as files: what fits into no text input. A file is read once, from Slack alone, and not kept. It stays among the files of the person who
 * chose it: files.delete takes a bot's own files only (docs.slack.dev/reference/methods/files.delete, `cant_delete_file`), so they are told how.
 */
import { plainCard } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import { PlaceGone } from '../../core/ports/chat.ts';
import type { Outbound } from '../inbound.ts';
import type { SlackApi } from './api.ts';
import { fieldKey, fileField } from './form.ts';
import { filledIn, formValues } from './form-values.ts';
import type { SlackFile, View } from './payloads.ts';
import { cut, oneLine } from './text.ts';

/** What a form holds, its files read. */
export interface Filled {
  values: Record<string, string>;
  /** By block id. */
  problems: { field: string; message: string }[];
  /** Names of the files that hold secrets. */
  secretFiles: string[];
}

/** Longest encoding of a character in UTF-8, in bytes for one UTF-16 unit. */
const mostBytesEach = 3;

/** The values of a submitted form; a file stands for the text of its field. */
export async function readFilled(view: View, api: Pick<SlackApi, 'call' | 'download'>): Promise<Filled> {
  const filled: Filled = { values: formValues(view), problems: [], secretFiles: [] };
  await Promise.all(
    Object.entries(view.state?.values ?? {}).map(async ([id, actions]) => {
      const asked = fileField(id);
      const file = Object.values(actions)[0]?.files?.[0];
      if (asked === null || file === undefined) return;
      if (asked.secret) filled.secretFiles.push(nameOf(file));
      if (typedBeside(view, asked.key)) {
        const message = 'There is a text and a file: take one of them away, so that it is clear which one counts.';
        filled.problems.push({ field: id, message });
        return;
      }
      const read = await readFile(file, asked.most, api);
      if ('problem' in read) filled.problems.push({ field: id, message: read.problem });
      else filled.values[asked.key] = read.text;
    }),
  );
  return filled;
}

function typedBeside(view: View, key: string): boolean {
  return Object.entries(view.state?.values ?? {}).some(
    ([id, actions]) => fieldKey(id) === key && Object.values(actions).some((entry) => filledIn(entry).trim() !== ''),
  );
}

function nameOf({ name }: SlackFile): string {
  return cut(oneLine(name ?? ''), 80) || 'your file';
}

async function readFile(
  file: SlackFile,
  most: number,
  api: Pick<SlackApi, 'call' | 'download'>,
): Promise<{ text: string } | { problem: string }> {
  const tooLong = `${nameOf(file)} is too long: at most ${most.toLocaleString('en')} characters are taken here.`;
  const mostBytes = most * mostBytesEach;
  if ((file.size ?? 0) > mostBytes) return { problem: tooLong };
  try {
    // Files of other organisations come without an address until they are asked for.
    const url = file.url_private || (await addressOf(file, api));
    const bytes = url === null ? null : await api.download(url, mostBytes);
    if (bytes === null) return { problem: `${nameOf(file)} is no file of Slack's own; upload it, or paste its text.` };
    if (bytes === 'too-large') return { problem: tooLong };
    const text = decoded(bytes);
    if (text === null)
      return { problem: `${nameOf(file)} is not text in UTF-8. Choose the file that holds the text itself.` };
    if (text.trim() === '') return { problem: `${nameOf(file)} is empty.` };
    return text.length > most ? { problem: tooLong } : { text };
  } catch (error) {
    if (!(error instanceof Fault || error instanceof PlaceGone)) throw error;
    return { problem: `KQueen could not read ${nameOf(file)}. ${reasonOf(error)}` };
  }
}

async function addressOf({ id }: SlackFile, api: Pick<SlackApi, 'call'>): Promise<string | null> {
  const { file } = await api.call('files.info', { file: id });
  return typeof file === 'object' && file !== null && 'url_private' in file ? String(file.url_private) : null;
}

function reasonOf(error: Fault | PlaceGone): string {
  if (error instanceof Fault && error.kind === 'not-allowed') {
    return 'It may not read files in this workspace: an admin installs it again, with files:read. Until then paste the text.';
  }
  return `${error.message} Send it again, or paste the text.`;
}

/** The bytes as text; null when they are none. */
function decoded(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** What a person reads whose secret is still in a file of theirs. */
export function leftInSlack(names: readonly string[]): Outbound {
  const which = names.join(', ');
  const text =
    `KQueen has read ${which} and has not kept the file, but Slack keeps it among your files, and an app cannot delete it for you. ` +
    'Please delete it now: open *Files* in Slack, find it, and choose *Delete file* in its ⋯ menu.';
  return { audience: 'caller', card: plainCard('Your file is still in Slack', text, 'warn') };
}
