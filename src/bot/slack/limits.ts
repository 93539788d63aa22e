/**
 * What Slack takes. Sources: docs.slack.dev/reference/block-kit (blocks, elements, composition objects) and the JSDoc of @slack/types;
 * docs.slack.dev/reference/methods/chat.update for the text of an edit; slackapi/bolt-js#2509 for the text of all blocks together.
 * Lengths are in UTF-16 units, as Slack's own validators count them.
 */
export const limits = {
  blocksPerMessage: 50,
  blocksPerView: 100,
  /** Text of all blocks of a message; from about 13,200 Slack answers `msg_blocks_too_long`. */
  blockText: 12_000,
  /** The message's own text; more is `msg_too_long` in chat.update. */
  messageText: 4_000,
  header: 150,
  text: 3_000,
  actions: 25,
  buttonLabel: 75,
  buttonValue: 2_000,
  url: 3_000,
  id: 255,
  confirmTitle: 100,
  confirmText: 300,
  confirmButton: 30,
  options: 100,
  optionText: 75,
  optionValue: 150,
  /** Of an image: its words and its title. */
  alt: 2_000,
  viewTitle: 24,
  metadata: 3_000,
  label: 2_000,
  placeholder: 150,
  input: 3_000,
  /** Characters of a file that is taken instead of a text: ours, not Slack's. */
  file: 5 * 1024 * 1024,
} as const;
