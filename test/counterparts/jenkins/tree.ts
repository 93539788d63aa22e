/** The `tree` parameter of Jenkins' JSON API: `a,b[c,d]{0,10}` (stapler's NamedPathPruner and Range). */

interface Node {
  name: string;
  children: Node[] | null;
  range: [number, number] | null;
}

/** What of `value` the tree names. Every object keeps its `_class`; members it does not have are left out. Throws for a tree that is none. */
export function prune(value: unknown, tree: string): unknown {
  const parser = { text: tree, at: 0 };
  const nodes = readNodes(parser);
  if (parser.at < tree.length) throw new Error(`Unexpected character at ${parser.at} in tree ${tree}`);
  return pick(value, nodes);
}

function pick(value: unknown, nodes: Node[] | null): unknown {
  if (Array.isArray(value)) return value.map((each) => pick(each, nodes));
  if (value === null || typeof value !== 'object') return value;
  const from = value as Record<string, unknown>;
  const made: Record<string, unknown> = {};
  if ('_class' in from) made._class = from._class;
  for (const node of nodes ?? []) {
    if (!(node.name in from)) continue;
    const inner = from[node.name];
    const ranged = Array.isArray(inner) && node.range ? inner.slice(...node.range) : inner;
    // A bean that is named without brackets comes with its class alone.
    made[node.name] = pick(ranged, node.children);
  }
  return made;
}

function readNodes(parser: { text: string; at: number }): Node[] {
  const nodes: Node[] = [];
  for (;;) {
    const name = /^[A-Za-z_]\w*/.exec(parser.text.slice(parser.at))?.[0];
    if (name === undefined) throw new Error(`Expected a name at ${parser.at} in tree ${parser.text}`);
    parser.at += name.length;
    const node: Node = { name, children: null, range: null };
    if (parser.text[parser.at] === '[') {
      parser.at += 1;
      node.children = readNodes(parser);
      if (parser.text[parser.at] !== ']') throw new Error(`Expected ] at ${parser.at} in tree ${parser.text}`);
      parser.at += 1;
    }
    const range = /^\{(\d*),?(\d*)\}/.exec(parser.text.slice(parser.at));
    if (range) {
      node.range = [Number(range[1] || 0), Number(range[2] || Number.MAX_SAFE_INTEGER)];
      parser.at += range[0].length;
    }
    nodes.push(node);
    if (parser.text[parser.at] !== ',') return nodes;
    parser.at += 1;
  }
}
