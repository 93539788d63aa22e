/** One add-on as it stands, and where a cluster takes its images from. */
import { mirrorsText } from '../../core/addons-images.ts';
import type { Part } from '../../core/card.ts';
import { count } from '../../core/words.ts';
import { pullNamespaces, readRegistry } from '../addons/registry.ts';
import { appOf } from '../addons/state.ts';
import type { View } from '../operation.ts';
import { appView } from './apps.ts';

/** One add-on of KQueen's: its workloads, where it is reached, what it was. */
export const addonView: View = {
  name: 'addon',
  async look(talk, { addon = '' }) {
    const seen = await appView.look(talk, { app: appOf(addon), cluster: '' });
    // Its pods are as many as it needs: they are not scaled by hand.
    const parts = seen.parts.map(
      (part): Part =>
        part.part === 'rows' ? { ...part, rows: part.rows.map(({ buttons: _buttons, ...row }) => row) } : part,
    );
    return { ...seen, title: addon, text: seen.text.replaceAll(appOf(addon), addon), parts };
  },
};

/** The mirrors and the pull Secret of a cluster; the file holds its mirrors, one a line. */
export const registryView: View = {
  name: 'registry',
  async look(talk) {
    const kept = await readRegistry(talk);
    const mirrors = kept?.mirrors ?? [];
    const pull = kept?.pull;
    const namespaces = pull ? await pullNamespaces(talk) : [];
    const taken =
      mirrors.length === 0
        ? 'It has no mirrors of its own.'
        : `It takes images of ${mirrors.map(({ from, to }) => `${from} from ${to}`).join(', ')}.`;
    const signs = pull
      ? `It pulls as ${pull.user} at ${pull.host}, in ${count(namespaces.length, 'namespace')}.`
      : 'It has no pull secret.';
    const facts = [
      {
        label: 'Mirrors',
        value: mirrors.length === 0 ? 'none of its own' : mirrorsText(mirrors).replaceAll(',', ', '),
      },
      {
        label: 'Pull secret',
        value: pull
          ? `${pull.user} at ${pull.host}, set by ${pull.by} on ${new Date(pull.at).toISOString().slice(0, 10)}`
          : 'none',
      },
      ...(pull ? [{ label: 'Namespaces', value: namespaces.join(', ') || 'none yet' }] : []),
    ];
    return {
      title: 'Registries',
      text: `${taken} ${signs}`,
      parts: [{ part: 'facts', facts }],
      file: { name: 'mirrors.txt', content: mirrors.map(({ from, to }) => `${from}=${to}`).join('\n') },
    };
  },
};
