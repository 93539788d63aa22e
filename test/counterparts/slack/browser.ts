/** A person's browser: cookies by host, redirects, and buttons pressed by what they say. */
export interface Page {
  url: string;
  status: number;
  /** What a person reads, without markup. */
  text: string;
  html: string;
}

export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();
  /** Where each request went, oldest first. */
  readonly visited: string[] = [];

  /** Sets a cookie, as a sign-in that is not played would have. */
  signIn(origin: string, name: string, value: string): void {
    this.#jar(new URL(origin).host).set(name, value);
  }

  /** The cookies of a host, for stealing them. */
  cookies(origin: string): Map<string, string> {
    return this.#jar(new URL(origin).host);
  }

  /** Opens an address and follows redirects. */
  async open(url: string, init: RequestInit = {}): Promise<Page> {
    let next = url;
    let request = init;
    for (let hop = 0; hop < 10; hop += 1) {
      this.visited.push(next);
      const { host } = new URL(next);
      const cookie = [...this.#jar(host)].map(([name, value]) => `${name}=${value}`).join('; ');
      const headers = { ...(request.headers as Record<string, string>), ...(cookie === '' ? {} : { cookie }) };
      const response = await fetch(next, { ...request, headers, redirect: 'manual' });
      for (const line of response.headers.getSetCookie()) this.#keep(host, line);
      const html = await response.text();
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null) {
        return { url: next, status: response.status, html, text: textOf(html) };
      }
      next = new URL(location, next).href;
      request = {};
    }
    throw new Error(`${url} redirects without end`);
  }

  /** Follows the link, or presses the button, that reads like this. */
  async press(page: Page, label: string): Promise<Page> {
    for (const [, href = '', words = ''] of page.html.matchAll(/<a [^>]*href="([^"]*)"[^>]*>([^<]*)<\/a>/g)) {
      if (unescaped(words) === label) return await this.open(new URL(unescaped(href), page.url).href);
    }
    for (const [, action = '', inside = ''] of page.html.matchAll(/<form [^>]*action="([^"]*)"[^>]*>(.*?)<\/form>/gs)) {
      const button = [...inside.matchAll(/<button name="([^"]*)" value="([^"]*)">([^<]*)</g)].find(
        ([, , , words = '']) => unescaped(words) === label,
      );
      if (button === undefined) continue;
      const body = new URLSearchParams({ [button[1] ?? '']: button[2] ?? '' });
      return await this.open(new URL(unescaped(action), page.url).href, { method: 'POST', body });
    }
    throw new Error(`there is nothing that reads "${label}" on ${page.url}: ${page.text.slice(0, 300)}`);
  }

  #jar(host: string): Map<string, string> {
    const jar = this.#cookies.get(host) ?? new Map<string, string>();
    this.#cookies.set(host, jar);
    return jar;
  }

  #keep(host: string, line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((each) => each.trim());
    const at = pair.indexOf('=');
    const expires = attributes.find((each) => /^expires=/i.test(each))?.slice('expires='.length);
    if (expires !== undefined && Date.parse(expires) <= Date.now()) this.#jar(host).delete(pair.slice(0, at));
    else this.#jar(host).set(pair.slice(0, at), pair.slice(at + 1));
  }
}

function unescaped(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replaceAll('&amp;', '&')
    .trim();
}

function textOf(html: string): string {
  const body = html.replace(/<style>.*?<\/style>|<title>.*?<\/title>/gs, ' ').replace(/<[^>]*>/g, ' ');
  return unescaped(body).replace(/\s+/g, ' ').trim();
}
