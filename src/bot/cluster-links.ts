/** Links to clusters: KQueen's public address, `/c/` and the cluster's name. */

/** The name in a link of ours; null for every other. */
export function clusterOfLink(url: string, publicUrl: string): string | null {
  if (!URL.canParse(url) || !URL.canParse(publicUrl)) return null;
  const [asked, ours] = [new URL(url), new URL(publicUrl)];
  if (asked.origin !== ours.origin || asked.username !== '' || asked.password !== '') return null;
  const base = ours.pathname.replace(/\/$/, '');
  const rest = asked.pathname.startsWith(`${base}/c/`) ? asked.pathname.slice(base.length + 3) : '';
  return /^[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?\/?$/.test(rest) ? rest.replace(/\/$/, '') : null;
}

const mostText = 20_000;
const mostKept = 1_500;

/**
 * What of a text could name a cluster or a job: links and addresses without what may be secret in them, `#job`, and words that could be names. Nothing else
 * of what somebody else has written is passed on.
 */
export function namesIn(text: string): string {
  const kept = new Set<string>();
  const words = text.slice(0, mostText).split(/[\s<>|"'`()[\]{},;]+/);
  for (const word of words) {
    const bare = word.replace(/^[*_~]+|[*_~.:!?]+$/g, '').toLowerCase();
    if (/^https?:\/\//.test(bare) && URL.canParse(bare)) {
      const { protocol, host, pathname } = new URL(bare);
      const [name] = /\/c\/[a-z][a-z0-9-]{0,29}(?=\/?$)/.exec(pathname) ?? [''];
      kept.add(`${protocol}//${host}${name}`);
    } else if (/^#[a-z0-9]{4,40}$/.test(bare) || /^[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?$/.test(bare)) kept.add(bare);
  }
  let out = '';
  for (const each of kept) {
    if (out.length + each.length >= mostKept) break;
    out += out === '' ? each : ` ${each}`;
  }
  return out;
}
