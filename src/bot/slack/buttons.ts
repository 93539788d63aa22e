/** Buttons of Cards as Slack's. A command is never cut: one that is too long is named instead. */
import type { ConfirmationDialog, Button as SlackButton } from '@slack/types';
import type { Button } from '../../core/card.ts';
import { limits } from './limits.ts';
import { cut, oneLine, safeUrl } from './text.ts';

/** Every button of ours has an action id that starts so. */
export const buttonPrefix = 'kqueen.';
/** A button that leads to a page: Slack opens it, we only acknowledge. */
const linkPrefix = 'kqueen.link.';

/** Text that the buttons of one message may take together. */
export const buttonRoom = 3_000;

/** A button under an id of its own in the message; a sentence instead where Slack cannot carry it. */
export function renderButton(button: Button, id: string): SlackButton | string {
  const label = cut(oneLine(button.label) || oneLine(button.command ?? '') || 'Open', limits.buttonLabel);
  const style = button.style === undefined ? {} : { style: button.style };
  const text = { type: 'plain_text' as const, text: label, emoji: true };
  if (button.command === undefined) {
    const url = safeUrl(button.url ?? '', limits.url);
    if (url === null) return `“${label}” leads to an address that cannot be linked.`;
    return { type: 'button', text, action_id: `${linkPrefix}${id}`, url, ...style };
  }
  if (button.command.length > buttonRoom / 2) return `“${label}” is too long for a button; type the command instead.`;
  const confirm =
    button.confirm === undefined ? {} : { confirm: renderConfirm(button.confirm, button.style === 'danger') };
  return { type: 'button', text, action_id: `${buttonPrefix}${id}`, value: button.command, ...style, ...confirm };
}

function renderConfirm(confirm: { title: string; text: string; yes: string }, danger: boolean): ConfirmationDialog {
  const words = (text: string, max: number, otherwise: string) => ({
    type: 'plain_text' as const,
    text: cut(oneLine(text), max) || otherwise,
  });
  return {
    title: words(confirm.title, limits.confirmTitle, 'Are you sure?'),
    text: words(confirm.text, limits.confirmText, 'Please confirm.'),
    confirm: words(confirm.yes, limits.confirmButton, 'Yes'),
    deny: words('Back', limits.confirmButton, 'Back'),
    ...(danger ? { style: 'danger' as const } : {}),
  };
}
