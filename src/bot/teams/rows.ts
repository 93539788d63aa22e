/** Rows: what it is and its small print in one column, one button beside it; several buttons stand below, as a phone is narrow. */
import { type Row, rowButtons } from '../../core/card.ts';
import { renderButton } from './actions.ts';
import type { Element } from './render.ts';
import { block, clip, markupBlocks, oneLine, run, shorten, withoutMarkup } from './text.ts';

/** The heading over the rows, when they have one. */
export function renderRowsCaption(caption: string | undefined): Element[] {
  const said = shorten(withoutMarkup(caption ?? ''), 150);
  return said === '' ? [] : [block([run(said, { weight: 'Bolder' })], { spacing: 'Medium' })];
}

/** One row as one element, so that it is shown whole or counted as left out. */
export function renderRow({ text, note, buttons = [] }: Row): Element {
  const name = markupBlocks(clip(oneLine(text), 300), 400);
  const small =
    note === undefined ? [] : markupBlocks(clip(oneLine(note), 400), 500, { isSubtle: true, size: 'Small' });
  const items = [
    ...(name.length > 0 ? name : [block([run('–')])]),
    ...small.map((each) => ({ ...each, spacing: 'None' })),
  ];
  const actions = buttons.slice(0, rowButtons).flatMap((each) => renderButton(each, true) ?? []);
  if (actions.length === 0) return { type: 'Container', spacing: 'Small', items };
  const set = { type: 'ActionSet', actions };
  if (actions.length > 1)
    return { type: 'Container', spacing: 'Small', items: [...items, { ...set, spacing: 'Small' }] };
  return {
    type: 'ColumnSet',
    spacing: 'Small',
    columns: [
      { type: 'Column', width: 'stretch', items, verticalContentAlignment: 'Center' },
      { type: 'Column', width: 'auto', items: [set], verticalContentAlignment: 'Center' },
    ],
  };
}
