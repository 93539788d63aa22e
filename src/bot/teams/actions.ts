/** Buttons as Action.Execute, with Action.Submit carrying the same for clients that know no Universal Actions. */
import type { Button } from '../../core/card.ts';
import { block, clean, clip, oneLine, run, safeUrl, shorten } from './text.ts';

/** What a button or form sends back. The reader in activity.ts trusts none of it: it is what the person could have typed. */
export interface ActionPayload {
  kqueen: 'button' | 'form' | 'reload' | 'dialog';
  command: string;
}

/** Teams shows six actions; the others wait behind "…". */
const visible = 6;
const most = 12;
/** Longer commands are typed, not clicked. */
const longestCommand = 2_000;
const longestUrl = 2_000;

const styles = { primary: 'positive', danger: 'destructive' } as const;

/** An action that sends a payload. `bare` leaves the fallback out, to save room. */
export function sendAction(
  title: string,
  payload: ActionPayload,
  style?: 'primary' | 'danger',
  bare = false,
): Record<string, unknown> {
  const look = { title: shorten(title, 60) || 'Go on', ...(style ? { style: styles[style] } : {}) };
  return {
    type: 'Action.Execute',
    ...look,
    verb: 'kqueen',
    data: payload,
    ...(bare ? {} : { fallback: { type: 'Action.Submit', ...look, data: payload } }),
  };
}

/** The same within a dialog, where Teams knows Action.Submit alone. */
export function submitAction(
  title: string,
  payload: ActionPayload,
  style?: 'primary' | 'danger',
): Record<string, unknown> {
  const look = { title: shorten(title, 60) || 'Go on', ...(style ? { style: styles[style] } : {}) };
  return { type: 'Action.Submit', ...look, data: payload };
}

/** Opens a form as a dialog, with what is filled in already. */
export function dialogAction(title: string, command: string): Record<string, unknown> {
  const payload: ActionPayload = { kqueen: 'dialog', command };
  return { type: 'Action.Submit', title, data: { ...payload, msteams: { type: 'task/fetch' } } };
}

/** The actions of a card, and how many buttons were left out. Those that ask first stay in sight: they open below the row. */
export function renderActions(buttons: readonly Button[]): { actions: unknown[]; left: number } {
  const actions: Record<string, unknown>[] = [];
  let asking = 0;
  for (const button of buttons) {
    if (actions.length === most) break;
    const action = renderButton(button);
    if (!action) continue;
    if (action.type === 'Action.ShowCard') asking += 1;
    if (action.type !== 'Action.ShowCard' || asking <= visible) actions.push(action);
  }
  let surplus = actions.length - visible;
  for (const action of actions.toReversed()) {
    if (surplus <= 0) break;
    if (action.type === 'Action.ShowCard') continue;
    action.mode = 'secondary';
    if (typeof action.fallback === 'object') action.fallback = { ...action.fallback, mode: 'secondary' };
    surplus -= 1;
  }
  return { actions, left: buttons.length - actions.length };
}

/** A button as an action, without its fallback where room is short; null for one that Teams cannot carry. */
export function renderButton(button: Button, bare = false): Record<string, unknown> | null {
  const title = shorten(button.label, 60);
  if (button.url !== undefined) {
    const url = safeUrl(button.url);
    if (!url || url.length > longestUrl) return null;
    const style = button.style ? { style: styles[button.style] } : {};
    return { type: 'Action.OpenUrl', title: title || 'Open', url, ...style };
  }
  if (!button.command || button.command.length > longestCommand) return null;
  const payload: ActionPayload = { kqueen: 'button', command: button.command };
  if (!button.confirm) return sendAction(button.label, payload, button.style, bare);
  const { confirm } = button;
  return {
    type: 'Action.ShowCard',
    title: title || 'Go on',
    ...(button.style ? { style: styles[button.style] } : {}),
    card: {
      type: 'AdaptiveCard',
      version: '1.5',
      body: [
        block([run(shorten(confirm.title, 150) || 'Are you sure?', { weight: 'Bolder' })]),
        block([run(clip(oneLine(clean(confirm.text)), 600) || 'This cannot be taken back by pressing it again.')]),
      ],
      actions: [sendAction(confirm.yes, payload, button.style)],
    },
  };
}
