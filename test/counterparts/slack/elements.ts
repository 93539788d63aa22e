/**
 * Block Kit's composition objects and elements with their documented limits.
 *
 * Sources: docs.slack.dev/reference/block-kit/block-elements and …/composition-objects (button text 75, value 2000, url 3000;
 * action_id 255; option text, value and description 75, 150 and 75; 100 options and 100 groups; overflow 5; radio buttons and
 * checkboxes 10; confirm title 100, text 300, buttons 30; placeholder 150; typed text 3000), and the JSDoc of @slack/types.
 */
import { isObject, objectOf, objectsOf } from './json.ts';
import { agree, all, bool, byType, list, matching, oneOf, type Rule, shape, text, whole } from './rules.ts';

/** A plain_text object of at most `max` characters. */
export function plain(max: number, min = 1): Rule {
  return byType({ plain_text: shape({ text: text(max, min) }, { emoji: bool }) });
}

/** A plain_text or mrkdwn object of at most `max` characters. */
export function anyText(max: number): Rule {
  return byType({
    plain_text: shape({ text: text(max, 1) }, { emoji: bool }),
    mrkdwn: shape({ text: text(max, 1) }, { verbatim: bool }),
  });
}

const ACTION_ID = text(255, 1);
const PLACEHOLDER = plain(150);
const STYLE = oneOf('primary', 'danger');
const CONFIRM = shape({ title: plain(100), text: anyText(300), confirm: plain(30), deny: plain(30) }, { style: STYLE });
const DISPATCH = shape({}, { trigger_actions_on: list(oneOf('on_enter_pressed', 'on_character_entered'), 2, 1) });
const IDS = list(text(255, 1), 100);

const MENU_OPTION = shape({ text: plain(75), value: text(150, 1) }, { description: plain(75), url: text(3000) });
const BOX_OPTION = shape({ text: anyText(75), value: text(150, 1) }, { description: anyText(75) });
const GROUP = shape({ label: plain(75), options: list(MENU_OPTION, 100, 1) });

function optionsOf(element: unknown): unknown[] {
  const { options, option_groups } = objectOf(element);
  return [...objectsOf(options), ...objectsOf(option_groups).flatMap((group) => objectsOf(group.options))];
}

/** What is chosen at first must be one of the options, to the letter. */
const INITIAL_IS_AN_OPTION = agree((element) => {
  const offered = new Set(optionsOf(element).map((option) => JSON.stringify(option)));
  const chosen = [...objectsOf(element.initial_options), ...objectsOf([element.initial_option])];
  return chosen.every((option) => offered.has(JSON.stringify(option)))
    ? undefined
    : 'initial option must match one of the options exactly';
});

const ONE_SOURCE_OF_OPTIONS = agree((element) =>
  (element.options === undefined) === (element.option_groups === undefined)
    ? 'must have exactly one of options and option_groups'
    : undefined,
);

const VALUES_DIFFER = agree((element) => {
  const values = optionsOf(element).map((option) => (isObject(option) ? option.value : option));
  return new Set(values).size === values.length ? undefined : 'option values must be unique';
});

const COMMON = { action_id: ACTION_ID, confirm: CONFIRM, focus_on_load: bool };
const SELECT = { ...COMMON, placeholder: PLACEHOLDER };
const MULTI = { ...SELECT, max_selected_items: whole(1, 100) };
const LISTED = { options: list(MENU_OPTION, 100, 1), option_groups: list(GROUP, 100, 1) };
const TYPED = {
  action_id: ACTION_ID,
  placeholder: PLACEHOLDER,
  dispatch_action_config: DISPATCH,
  focus_on_load: bool,
};
const NUMBER = matching(/^-?\d+(\.\d+)?$/, 'a number in a string');
const FILTER = shape(
  {},
  {
    include: list(oneOf('im', 'mpim', 'private', 'public'), 4, 1),
    exclude_external_shared_channels: bool,
    exclude_bot_users: bool,
  },
);

function boxes(initial: Record<string, Rule>): Rule {
  return all(
    shape({ options: list(BOX_OPTION, 10, 1) }, { ...COMMON, ...initial }),
    INITIAL_IS_AN_OPTION,
    VALUES_DIFFER,
  );
}

/** Every element this Slack knows, by type. */
const ELEMENTS: Record<string, Rule> = {
  button: shape(
    { text: plain(75) },
    {
      action_id: ACTION_ID,
      url: text(3000),
      value: text(2000),
      style: STYLE,
      confirm: CONFIRM,
      accessibility_label: text(75),
    },
  ),
  checkboxes: boxes({ initial_options: list(BOX_OPTION, 10, 1) }),
  radio_buttons: boxes({ initial_option: BOX_OPTION }),
  overflow: all(shape({ options: list(MENU_OPTION, 5, 1) }, { action_id: ACTION_ID, confirm: CONFIRM }), VALUES_DIFFER),
  static_select: all(
    shape({}, { ...SELECT, ...LISTED, initial_option: MENU_OPTION }),
    ONE_SOURCE_OF_OPTIONS,
    INITIAL_IS_AN_OPTION,
    VALUES_DIFFER,
  ),
  multi_static_select: all(
    shape({}, { ...MULTI, ...LISTED, initial_options: list(MENU_OPTION, 100) }),
    ONE_SOURCE_OF_OPTIONS,
    INITIAL_IS_AN_OPTION,
    VALUES_DIFFER,
  ),
  external_select: shape({}, { ...SELECT, initial_option: MENU_OPTION, min_query_length: whole(0, 255) }),
  multi_external_select: shape(
    {},
    { ...MULTI, initial_options: list(MENU_OPTION, 100), min_query_length: whole(0, 255) },
  ),
  users_select: shape({}, { ...SELECT, initial_user: text(255, 1) }),
  multi_users_select: shape({}, { ...MULTI, initial_users: IDS }),
  channels_select: shape({}, { ...SELECT, initial_channel: text(255, 1), response_url_enabled: bool }),
  multi_channels_select: shape({}, { ...MULTI, initial_channels: IDS }),
  conversations_select: shape(
    {},
    {
      ...SELECT,
      initial_conversation: text(255, 1),
      default_to_current_conversation: bool,
      response_url_enabled: bool,
      filter: FILTER,
    },
  ),
  multi_conversations_select: shape(
    {},
    { ...MULTI, initial_conversations: IDS, default_to_current_conversation: bool, filter: FILTER },
  ),
  datepicker: shape({}, { ...SELECT, initial_date: matching(/^\d{4}-\d{2}-\d{2}$/, 'YYYY-MM-DD') }),
  timepicker: shape({}, { ...SELECT, initial_time: matching(/^\d{2}:\d{2}$/, 'HH:mm'), timezone: text(255) }),
  datetimepicker: shape({}, { ...COMMON, initial_date_time: whole(1_000_000_000, 9_999_999_999) }),
  plain_text_input: all(
    shape(
      {},
      {
        ...TYPED,
        initial_value: text(3000),
        multiline: bool,
        min_length: whole(0, 3000),
        max_length: whole(1, 3000),
      },
    ),
    agree(({ min_length, max_length }) =>
      typeof min_length === 'number' && typeof max_length === 'number' && min_length > max_length
        ? 'min_length must not be greater than max_length'
        : undefined,
    ),
  ),
  email_text_input: shape({}, { ...TYPED, initial_value: text(3000) }),
  url_text_input: shape({}, { ...TYPED, initial_value: text(3000) }),
  number_input: shape(
    { is_decimal_allowed: bool },
    { ...TYPED, initial_value: NUMBER, min_value: NUMBER, max_value: NUMBER },
  ),
  file_input: shape({}, { action_id: ACTION_ID, filetypes: list(text(255, 1), 100), max_files: whole(1, 10) }),
  image: shape({ alt_text: text(2000, 1) }, { image_url: text(3000, 1), slack_file: shape({}, { id: text(255) }) }),
};

const MENUS = ['static', 'external', 'users', 'channels', 'conversations'].flatMap((kind) => [
  `${kind}_select`,
  `multi_${kind}_select`,
]);
const CHOICES = ['checkboxes', 'radio_buttons', 'datepicker', 'timepicker', ...MENUS];

function only(types: string[]): Rule {
  return byType(Object.fromEntries(Object.entries(ELEMENTS).filter(([type]) => types.includes(type))));
}

/** What may stand beside a section's text. */
export const ACCESSORY = only(['button', 'image', 'overflow', ...CHOICES]);

/** What may stand in an actions block. */
export const ACTION = only(['button', 'overflow', 'datetimepicker', ...CHOICES]);

/** What may stand in an input block. */
export const INPUT = only([
  'plain_text_input',
  'email_text_input',
  'url_text_input',
  'number_input',
  'file_input',
  'datetimepicker',
  ...CHOICES,
]);

/** Text or a picture, in a context block. */
export const CONTEXT = byType({
  plain_text: plain(3000),
  mrkdwn: anyText(3000),
  image: ELEMENTS.image ?? bool,
});
