/** Finds the cards in what the bot sent, wherever Teams takes one, and has each validated. */
import { keepFaults } from '../../bot/valid.ts';
import { cardFaults } from '../../bot/valid-card.ts';

const adaptive = 'application/vnd.microsoft.card.adaptive';

/** Hands in every Adaptive Card within: attachments of messages, answers to clicks, dialogs and previews of links. */
export function judgeCards(where: string, value: unknown): void {
  if (Array.isArray(value)) for (const each of value) judgeCards(where, each);
  if (value === null || typeof value !== 'object') return;
  const { contentType, type, content, value: inner } = value as Record<string, unknown>;
  if (contentType === adaptive) keepFaults(`${where}: `, cardFaults(content));
  else if (type === adaptive) keepFaults(`${where}: `, cardFaults(inner));
  else for (const each of Object.values(value)) judgeCards(where, each);
}
