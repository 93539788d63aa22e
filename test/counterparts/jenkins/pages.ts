/** Error answers of Jenkins are pages for people; what a program reads is in the status, the headers and a sentence or two. */

/** hudson.model.Hudson's error page (`jenkins/model/Jenkins/_error…` and the servlet container's own pages). */
export function errorPage(status: number, title: string, text: string): string {
  return (
    `<!DOCTYPE html><html class=""><head><title>Jenkins</title></head><body data-model-type="hudson.model.Hudson" id="jenkins">` +
    `<h1>${escaped(title)}</h1><p>HTTP ERROR ${status}</p><p>${escaped(text)}</p></body></html>`
  );
}

/** The page of an exception: stack traces are shown to nobody, the id leads to them in the log of Jenkins. */
export function oopsPage(text = ''): string {
  const id = '7f3c0a52-9a44-4c0b-8d8e-3f6f2b1a0c11';
  return errorPage(500, 'Oops!', `A problem occurred while processing the request. ${text} Logging ID=${id}`);
}

/** hudson.util.HudsonIsLoading */
export function loadingPage(): string {
  return errorPage(
    503,
    'Please wait while Jenkins is getting ready to work ...',
    'Your browser will reload automatically when Jenkins is ready.',
  );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
