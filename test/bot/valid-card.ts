/**
 * Adaptive Cards as Microsoft's own library reads them: its parser may have nothing to say, every property must be one that its tables know in
 * version 1.5, and the whole must fit. Size: learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages (messages), and 28 KB
 * for a card of a connector; Teams shows at most six primary actions (…/task-modules-and-cards/cards/cards-reference).
 */
import {
  Choice,
  Column,
  Fact,
  GlobalRegistry,
  HostConfig,
  AdaptiveCard as Parser,
  RefreshDefinition,
  type SerializableObject,
  SerializationContext,
  TableCell,
  TableColumnDefinition,
  TableRow,
  TextRun,
  Versions,
} from 'adaptivecards';

type Node = Record<string, unknown>;

/** The most bytes of a card. */
export const mostCardBytes = 28 * 1024;

/** Objects that the library's registries of elements and actions do not list. */
const others: Record<string, () => SerializableObject> = {
  AdaptiveCard: () => new Parser(),
  Column: () => new Column(),
  TextRun: () => new TextRun(),
  TableRow: () => new TableRow(),
  TableCell: () => new TableCell(),
};
/** Objects without a type, by the property that holds them. */
const untyped: Record<string, () => SerializableObject> = {
  facts: () => new Fact(''),
  choices: () => new Choice(),
  refresh: () => new RefreshDefinition(),
};
/** What a bot or Teams may put anything into. */
const free = new Set(['data', 'msteams', 'authentication', 'metadata', 'entities']);
/** Read by the parser itself rather than declared in its tables. */
const always = ['type', '$schema', 'fallback', 'requires'];
/** The same of those that hold other objects. */
const inside: Record<string, string[]> = {
  AdaptiveCard: ['body', 'actions', 'version', 'fallbackText', 'speak', 'lang'],
  Container: ['items'],
  Column: ['items'],
  TableCell: ['items'],
  ColumnSet: ['columns'],
  Table: ['rows'],
  TableRow: ['cells'],
  RichTextBlock: ['inlines'],
  ActionSet: ['actions'],
  ImageSet: ['images'],
  'Action.ShowCard': ['card'],
};

const tables = new Map<string, Set<string>>();

/** The names of the properties that an object of this kind has in version 1.5. */
function propertiesOf(kind: string, make: () => SerializableObject): Set<string> {
  const known = tables.get(kind);
  if (known) return known;
  const schema = make().getSchema();
  const names = Array.from({ length: schema.getCount() }, (_, index) => schema.getItemAt(index))
    .filter(({ targetVersion }) => targetVersion.compareTo(Versions.v1_5) <= 0)
    .map(({ name }) => name);
  const made = new Set([...names, ...always, ...(inside[kind] ?? [])]);
  tables.set(kind, made);
  return made;
}

function maker(type: string, holder: string): (() => SerializableObject) | undefined {
  if (type === '') return holder === 'columns' ? () => new TableColumnDefinition() : untyped[holder];
  const own = others[type];
  if (own) return own;
  const made =
    GlobalRegistry.elements.createInstance(type, Versions.v1_5) ??
    GlobalRegistry.actions.createInstance(type, Versions.v1_5);
  return made === undefined ? undefined : () => made;
}

function strangers(value: unknown, at: string, holder: string): string[] {
  if (Array.isArray(value)) return value.flatMap((each, index) => strangers(each, `${at}/${index}`, holder));
  if (value === null || typeof value !== 'object') return [];
  const node = value as Node;
  const type = typeof node.type === 'string' ? node.type : '';
  const make = maker(type, holder);
  if (!make) return [`${at}: ${type === '' ? `an object in ${holder}` : type} is not known in version 1.5`];
  const known = propertiesOf(type || holder, make);
  return Object.entries(node).flatMap(([key, each]) => {
    if (!known.has(key)) return [`${at}/${key}: ${type || holder} has no such property in version 1.5`];
    return free.has(key) ? [] : strangers(each, `${at}/${key}`, key);
  });
}

function parserFaults(card: Node): string[] {
  const context = new SerializationContext(Versions.v1_5);
  const parsed = new Parser();
  // Teams shows six and keeps the secondary ones behind "…"; the library counts both.
  parsed.hostConfig = new HostConfig({ actions: { maxActions: 12 } });
  parsed.parse(card, context);
  const events = Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index));
  return [...events, ...parsed.validateProperties().validationEvents].map(({ message }) => `adaptivecards: ${message}`);
}

/** What Teams would not take in a card, or would not show; empty when it is fine. */
export function cardFaults(card: unknown): string[] {
  const node = card as Node;
  if (node?.type !== 'AdaptiveCard') return [`/: ${String(node?.type)} is no AdaptiveCard`];
  const faults = [...parserFaults(node), ...strangers(node, '', '')];
  const bytes = Buffer.byteLength(JSON.stringify(card));
  if (bytes > mostCardBytes) faults.push(`/: ${bytes} bytes, ${mostCardBytes} is the most`);
  if (node.version !== '1.5') faults.push(`/version: ${String(node.version)}`);
  const primary = ((node.actions ?? []) as Node[]).filter(({ mode }) => mode !== 'secondary');
  if (primary.length > 6) faults.push(`/actions: ${primary.length} primary ones`);
  if (typeof node.fallbackText !== 'string' || node.fallbackText.trim() === '')
    faults.push('/fallbackText: a client that shows no cards has nothing to read');
  return faults;
}
