/** What a person sees in the browser while KQueen is installed in Slack. */
import type { ServerResponse } from 'node:http';
import { scopes } from './needs.ts';

/** Of every page: nothing is loaded, cached, framed or told to the next page. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
};

function escapeHtml(value: string): string {
  return value.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}

const style =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:4rem auto;padding:0 1rem}.add{display:inline-block;padding:.6rem 1.2rem;border:1px solid;border-radius:.3rem;text-decoration:none}';

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>KQueen: ${escapeHtml(title)}</title><style>${style}</style>
<h1>${escapeHtml(title)}</h1>${body}</html>`;
}

/** The page with the link to Slack's own; `url` is where that one is. */
export function addPage(url: string): string {
  const list = Object.values(scopes)
    .map((why) => `<li>${escapeHtml(why)}</li>`)
    .join('');
  return page(
    'Add KQueen to Slack',
    `<p>KQueen makes Kubernetes clusters from chat. Slack will ask whether it may:</p><ul>${list}</ul><p><a class="add" href="${escapeHtml(url)}">Add to Slack</a></p><p>The link is for this browser, and good for ten minutes.</p>`,
  );
}

/** Answers with a page of paragraphs. */
export function sendPage(response: ServerResponse, status: number, title: string, paragraphs: string[]): void {
  const body = paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`).join('');
  response.writeHead(status, { ...pageHeaders }).end(page(title, body));
}

/** The page at the end: KQueen is there, and what to write next. */
export function sendWelcome(
  response: ServerResponse,
  to: { name: string; team: string; appId: string; firstAdmin: boolean },
): void {
  const link = (url: string, words: string) => `<a href="${escapeHtml(url)}">${escapeHtml(words)}</a>`;
  const web = `https://app.slack.com/client/${encodeURIComponent(to.team)}`;
  const app = `slack://app?team=${encodeURIComponent(to.team)}&id=${encodeURIComponent(to.appId)}`;
  const admin = to.firstAdmin
    ? '<p>KQueen had no admin yet: you are its first one, and decide on what others ask for. Give others roles with <code>person role</code>.</p>'
    : '';
  response
    .writeHead(200, { ...pageHeaders })
    .end(
      page(
        `KQueen is in ${to.name}`,
        `<p>Write <code>/kqueen help</code> there: ${link(app, 'open Slack')}, or ${link(web, 'Slack in the browser')}.</p>${admin}`,
      ),
    );
}
