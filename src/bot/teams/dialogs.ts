/**
 * Forms as dialogs (task modules), beside the inline cards that every client has: opened by `task/fetch`, answered by `task/submit` ("Use dialogs in
 * Microsoft Teams bots", Microsoft Learn).
 */
import type { Form } from '../../core/card.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Inbound, Outbound } from '../inbound.ts';
import { marked } from './again.ts';
import { planDelivery } from './answer.ts';
import { renderForm } from './form.ts';
import type { Poster } from './port.ts';
import type { AdaptiveCard } from './render.ts';
import { shorten } from './text.ts';

/** The body of the answer to a dialog's invoke. */
export interface Task {
  task:
    | {
        type: 'continue';
        value: {
          title: string;
          width: 'medium';
          height: 'large';
          card: { contentType: string; content: AdaptiveCard };
        };
      }
    | { type: 'message'; value: string };
}

/** Goes on in the dialog while something is to be asked, and in the conversation with the rest. */
export async function answerTask(
  inbound: Inbound,
  outbounds: Outbound[],
  { poster, log }: { poster: Poster; log: Log },
  respond: (task: Task) => void,
): Promise<void> {
  const page = pageOf(inbound, outbounds);
  if (page) {
    respond(page.task);
    if (page.left.length > 0) await planDelivery(inbound, page.left, poster, log, true).rest();
    return;
  }
  const problems = outbounds.flatMap((each) => each.problems ?? []);
  if (problems.length > 0) return respond(lastPage(problems.map(({ message }) => message).join(' ')));
  const delivery = planDelivery(inbound, outbounds, poster, log, true);
  respond(lastPage(delivery.click.kind === 'line' ? delivery.click.text : 'The answer is in the conversation.'));
  await delivery.rest();
}

/** The dialog's next page, and what is left for the conversation. */
interface Page {
  task: Task;
  left: Outbound[];
}

/** The form among the answers as a page of the dialog; null when nothing is to be asked. */
function pageOf(inbound: Inbound, outbounds: Outbound[]): Page | null {
  const found = outbounds.find(({ form }) => form !== undefined);
  if (found?.form === undefined) return null;
  const problems = outbounds.flatMap((each) => each.problems ?? []);
  const refused = problems.length > 0;
  return {
    task: pageTask(marked(found.form, problems), inbound),
    // A refusal is told in the dialog alone.
    left: refused
      ? []
      : outbounds.map(withoutForm).filter(({ card, files }) => card !== undefined || files !== undefined),
  };
}

/** What the dialog says last. */
export function lastPage(text: string): Task {
  return { task: { type: 'message', value: shorten(text, 200) || 'Done.' } };
}

function pageTask(form: Form, { values, source }: Inbound): Task {
  const content = renderForm(form, { values: values ?? {}, wins: source === 'form' }, { dialog: true });
  const card = { contentType: 'application/vnd.microsoft.card.adaptive', content };
  return {
    task: {
      type: 'continue',
      value: { title: shorten(form.title, 60) || 'KQueen', width: 'medium', height: 'large', card },
    },
  };
}

function withoutForm({ form: _form, ...rest }: Outbound): Outbound {
  return rest;
}
