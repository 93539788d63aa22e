/** What a form says while choices are awaited, and when they did not come. */
import type { Form } from '../core/card.ts';

/** How long choices are awaited behind a form that is shown already, in milliseconds. */
export const loadingMs = 8_000;

/** How long a form that was sent is answered in its own place, where what is filled in still stands, in milliseconds. */
export const submitMs = 20_000;

/** The form for the time until the choices come. */
export function whileLoading(form: Form): Form {
  return form.loading === undefined
    ? form
    : saying(form, `⏳ Loading what ${form.loading} offers; what you fill in meanwhile stays.`);
}

/** The form as it stays when they did not. */
export function givenUp(form: Form): Form {
  return form.loading === undefined
    ? form
    : saying(form, `${form.loading} does not answer at the moment, so its choices cannot be shown.`);
}

function saying({ loading: _loading, intro, ...form }: Form, said: string): Form {
  return { ...form, intro: [intro, said].filter((each) => each !== undefined && each !== '').join(' ') };
}
