import type { Part, Row } from '../../core/card.ts';
import { formatLine } from '../../core/line.ts';
import { count } from '../../core/words.ts';
import { objectAt } from '../apply/manifests.ts';
import { plain } from '../faults.ts';
import { enforcement } from '../network/enforcement.ts';
import { ruleLabel } from '../network/rules.ts';
import { wordsOf } from '../network/words.ts';
import type { View } from '../operation.ts';
import { demandNamespace } from './listing.ts';
import { eachListed, listPath } from './pages.ts';

/** Most rules in a message; the file has them all. */
const most = 12;

/** The network policies of a namespace, or of all, in words. `args.enforced` is the provider's word on whether they have an effect. */
export const networkView: View = {
  name: 'network',
  async look(talk, args) {
    const { namespace = '', cluster = '' } = args;
    await demandNamespace(talk, namespace);
    const rules: { place: string; name: string; words: string; own: boolean }[] = [];
    await eachListed(talk, listPath('networking.k8s.io/v1', 'networkpolicies', namespace), (policy) => {
      const metadata = objectAt(policy, 'metadata');
      rules.push({
        ...{ place: plain(String(metadata.namespace), 63), name: plain(String(metadata.name), 120) },
        ...{ words: wordsOf(policy).join(' '), own: ruleLabel in objectAt(metadata, 'labels') },
      });
    });
    rules.sort((a, b) => a.place.localeCompare(b.place) || a.name.localeCompare(b.name));
    const seen = args.enforced === 'yes' || args.enforced === 'no' ? args.enforced : await enforcement(talk);
    const effect = {
      yes: 'The cluster enforces them.',
      no: 'The cluster does not enforce them: they keep nothing out.',
      unknown: 'Whether the cluster enforces them cannot be told from here.',
    }[seen];
    const found =
      rules.length === 0 ? 'No network policies' : count(rules.length, 'network policy', 'network policies');
    const title = `${found}${namespace === '' ? '' : ` of namespace ${namespace}`}`;
    const rows: Row[] = rules.slice(0, most).map(({ place, name, words, own }) => ({
      text: `*${place}/${name}*: ${words}`,
      ...(own
        ? {
            buttons: [
              {
                label: 'Remove',
                command: formatLine('network remove', ['cluster', 'namespace', 'rule'], {
                  ...{ cluster, namespace: place, rule: name },
                }),
              },
            ],
          }
        : { note: 'Not made by KQueen.' }),
    }));
    const parts: Part[] = [
      { part: 'text', text: rules.length === 0 ? 'Every pod may talk to every other.' : effect },
      ...(rows.length > 0 ? [{ part: 'rows' as const, rows }] : []),
      ...(rules.length > most
        ? [{ part: 'note' as const, text: `And ${rules.length - most} more, in the file.` }]
        : []),
    ];
    const lines = rules.map(({ place, name, words }) => `${place}/${name}\t${words}`);
    return {
      ...{ title, text: `${title}. ${effect}`, parts },
      ...(rules.length > most ? { file: { name: 'network.txt', content: `${lines.join('\n')}\n` } } : {}),
      ...(rules.length > 0 && seen === 'no' ? { bad: true } : {}),
    };
  },
};
