/** Forms in their modals: opened while the trigger lives, loaded and loaded again behind the person's typing, submitted, searched. */
import type { ModalView, Option } from '@slack/types';
import type { Form } from '../../core/card.ts';
import { Fault } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Inbound, Outbound, PersonIn } from '../inbound.ts';
import { givenUp, loadingMs, submitMs, whileLoading } from '../loading.ts';
import type { Answers, Target } from './answers.ts';
import type { Answer, SlackApi } from './api.ts';
import { type FormMeta, fieldKey, renderForm, workingView } from './form.ts';
import { keepTyped } from './form-again.ts';
import { leftInSlack, readFilled } from './form-files.ts';
import { formErrors, formMeta, formValues, holdsSecrets, refilled } from './form-values.ts';
import { offered } from './options.ts';
import { type ActionPayload, type SuggestionPayload, View, type ViewPayload } from './payloads.ts';
import type { People } from './people.ts';
import { type Ack, ackMs, type Turn } from './turn.ts';

type ViewBody =
  | { response_action: 'clear' }
  | { response_action: 'errors'; errors: Record<string, string> }
  | { response_action: 'update' | 'push'; view: ModalView };

/** What is left of the answers when a form is open, and what has to be done for it afterwards. */
export interface Opened {
  rest: Outbound[];
  after(): Promise<void>;
}

export interface Forms {
  /** Opens the form among the answers with the trigger; without one in time, or when Slack refuses, it stays among them as an offer. */
  opened(outbounds: Outbound[], triggerId: string, since: number, target: Target, person: PersonIn): Promise<Opened>;
  /** Opens a view that says that the form is coming; its id, or null. */
  openLoading(triggerId: string): Promise<string | null>;
  /** Puts the form into the view that was opened for it. */
  filled(viewId: string, outbounds: Outbound[], target: Target, person: PersonIn): Promise<Opened>;
  /** A field that others depend on was changed: the form is asked for again with what is filled in. */
  reload(payload: ActionPayload, view: View): Promise<void>;
  submission(payload: ViewPayload, ack: Ack<ViewBody>): Promise<void>;
  /** Letters were typed into a select with many choices. Nothing is ever changed by it. */
  suggestion(payload: SuggestionPayload, ack: Ack<{ options: Option[] }>): Promise<void>;
}

export interface FormsParts {
  api: SlackApi;
  people: People;
  answers: Answers;
  turn: Turn;
  clock: Clock;
}

/** A trigger lives 3 s from the click. */
const triggerMs = 2_700;
/** Slack waits 3 s for options. */
const optionsMs = 2_000;
const workingText = 'Still working on it, I will answer here.';
const answeredText = 'The answer is in the conversation.';
/** Views whose newest state is remembered. */
const mostViews = 1_000;

export function createForms({ api, people, answers, turn, clock }: FormsParts): Forms {
  const { handled, within, succeeds, acked } = turn;
  /** By view: which load is the newest one asked for here, and the hash of what we put there last. */
  const loads = new Map<string, { turn: number; hash?: string }>();

  function nextLoad(viewId: string): number {
    const known = loads.get(viewId);
    const [oldest] = loads.keys();
    if (known === undefined && loads.size >= mostViews && oldest !== undefined) loads.delete(oldest);
    loads.set(viewId, { ...known, turn: (known?.turn ?? 0) + 1 });
    return (known?.turn ?? 0) + 1;
  }

  /** Shows a view in place of another; what Slack has then, or null when it is not wanted there any more. */
  async function show(viewId: string, view: ModalView, hash: string | undefined, what: string): Promise<View | null> {
    let shown: View | null = null;
    await succeeds(async () => {
      const answer = await api
        .call('views.update', { view_id: viewId, view, ...(hash === undefined ? {} : { hash }) })
        .catch((error: unknown) => {
          // It was loaded again, or closed, meanwhile: that is the person's will, not a fault.
          if (error instanceof Fault && (error.kind === 'conflict' || error.kind === 'not-found')) return null;
          throw error;
        });
      if (answer !== null) shown = viewOf(answer);
    }, what);
    const known = loads.get(viewId);
    if (shown !== null && known !== undefined) loads.set(viewId, { ...known, hash: (shown as View).hash });
    return shown;
  }

  /** Asks once more, with patience, for the choices that a form lacks, and shows them around what is typed meanwhile. */
  function completion(form: Form, before: View | null, meta: FormMeta, person: PersonIn): () => Promise<void> {
    return async () => {
      if (form.loading === undefined || before === null) return;
      const load = loads.get(before.id)?.turn;
      const outbounds = await handled({
        ...asked(meta, person, `slack:load:${before.id}:${before.hash}`),
        values: { ...valuesIn(form), ...formValues(before) },
        waitMs: loadingMs,
      });
      const whole = outbounds.find((each) => each.form !== undefined)?.form ?? form;
      if (loads.get(before.id)?.turn !== load) return;
      const view = renderForm(givenUp(whole), meta.place, meta.private, meta.load + 1);
      await show(before.id, keepTyped(view, before), before.hash, 'the choices of a form could not be shown');
    };
  }

  async function opened(
    outbounds: Outbound[],
    triggerId: string,
    since: number,
    target: Target,
    person: PersonIn,
  ): Promise<Opened> {
    const asIs: Opened = { rest: outbounds, after: async () => undefined };
    const at = outbounds.findIndex(({ form }) => form !== undefined);
    const form = outbounds[at]?.form;
    if (form === undefined || triggerId === '' || clock.now() - since > triggerMs) return asIs;
    const args = { trigger_id: triggerId, view: renderForm(whileLoading(form), target.place, target.private) };
    let shown: View | null = null;
    const done = await succeeds(async () => {
      shown = viewOf(await api.call('views.open', args, true));
    }, 'a form could not be opened');
    if (!done) return asIs;
    const rest = outbounds.map((each, index) => (index === at ? withoutForm(each) : each));
    return { rest, after: completion(form, shown, metaOf(form, target, 0), person) };
  }

  async function openLoading(trigger: string): Promise<string | null> {
    let id: string | null = null;
    await succeeds(async () => {
      const args = { trigger_id: trigger, view: workingView('One moment', 'Loading the form …') };
      id = viewOf(await api.call('views.open', args, true))?.id ?? null;
    }, 'a loading view could not be opened');
    return id;
  }

  async function filled(viewId: string, outbounds: Outbound[], target: Target, person: PersonIn): Promise<Opened> {
    const at = outbounds.findIndex(({ form }) => form !== undefined);
    const form = outbounds[at]?.form;
    const view =
      form === undefined
        ? workingView('KQueen', answeredText)
        : renderForm(whileLoading(form), target.place, target.private);
    const shown = await show(viewId, view, undefined, 'a form could not be filled');
    if (shown === null || form === undefined) return { rest: outbounds, after: async () => undefined };
    const rest = outbounds.map((each, index) => (index === at ? withoutForm(each) : each));
    return { rest, after: completion(form, shown, metaOf(form, target, 0), person) };
  }

  async function reload(payload: ActionPayload, view: View): Promise<void> {
    const meta = formMeta(view);
    if (meta === null) return;
    const mine = nextLoad(view.id);
    const { user, actions } = payload;
    const person = await people.look(meta.place.workspace, user.id, user.name ?? user.username);
    const outbounds = await handled({
      ...asked(meta, person, `slack:action:${actions[0]?.action_ts}:${view.id}:${user.id}`),
      values: formValues(view),
    });
    // The person has changed something else meanwhile: that is asked for already, and shows this as well.
    if (loads.get(view.id)?.turn !== mine) return;
    const form = outbounds.find((each) => each.form !== undefined)?.form;
    if (form === undefined) return await answers.deliver(outbounds, metaTarget(meta, user.id));
    const next = { ...meta, load: meta.load + 1 };
    const again = keepTyped(renderForm(whileLoading(form), meta.place, meta.private, next.load), view);
    const hash = loads.get(view.id)?.hash ?? view.hash;
    const shown = await show(view.id, again, hash, 'a form could not be loaded again');
    await completion(form, shown, next, person)();
  }

  async function submission(payload: ViewPayload, ack: Ack<ViewBody>): Promise<void> {
    const since = clock.now();
    const { view, user } = payload;
    const meta = formMeta(view);
    if (meta === null) return void (await acked(ack));
    const target = metaTarget(meta, user.id);
    const work = answered(view, meta, payload);
    const outbounds = await within(work, ackMs - (clock.now() - since));
    if (outbounds === null) return await lateSubmission(view, meta, work, target, ack);
    const problems = outbounds.flatMap((each) => each.problems ?? []);
    const errors = problems.length > 0 ? formErrors(view, problems) : null;
    if (errors !== null) return void (await acked(ack, { response_action: 'errors', errors }));
    const form = outbounds.find((each) => each.form !== undefined)?.form;
    await acked(
      ack,
      form === undefined ? { response_action: 'clear' } : { response_action: 'update', view: next(form, meta) },
    );
    await answers.deliver(outbounds.map(withoutForm), target);
  }

  /** What a submitted form is answered with; a file that cannot be used is a problem of its field. */
  async function answered(view: View, meta: FormMeta, { user }: ViewPayload): Promise<Outbound[]> {
    const [person, form] = await Promise.all([
      people.look(meta.place.workspace, user.id, user.name ?? user.username),
      readFilled(view, api),
    ]);
    if (form.problems.length > 0) return [{ audience: 'caller', problems: form.problems }];
    const outbounds = await handled({
      ...asked(meta, person, `slack:view:${view.id}:${view.hash}`),
      source: 'form',
      values: form.values,
      waitMs: submitMs,
    });
    const refused = outbounds.some((each) => each.problems !== undefined || each.form !== undefined);
    return refused || form.secretFiles.length === 0 ? outbounds : [...outbounds, leftInSlack(form.secretFiles)];
  }

  /**
   * The view shows that work goes on, and later the problems, the next form, or a last word. Where a secret or a file is in the form, that view lies on top
   * of it: taken away and shown again, the form could not be given them back.
   */
  async function lateSubmission(
    view: View,
    meta: FormMeta,
    work: Promise<Outbound[]>,
    target: Target,
    ack: Ack<ViewBody>,
  ): Promise<void> {
    const title = view.title?.text ?? '';
    const onTop = holdsSecrets(view) && !view.previous_view_id ? `kqueen.${view.id}.${clock.now()}` : null;
    const working = workingView(title, workingText);
    await acked(
      ack,
      onTop === null
        ? { response_action: 'update', view: working }
        : { response_action: 'push', view: { ...working, external_id: onTop } },
    );
    const outbounds = await work;
    const problems = outbounds.flatMap((each) => each.problems ?? []);
    const form = outbounds.find((each) => each.form !== undefined)?.form;
    const inPlace = onTop === null ? { view_id: view.id } : { external_id: onTop };
    let shown = workingView(title, answeredText, { clears: true });
    if (problems.length > 0 && onTop !== null) {
      const said = problems.map(({ message }) => message).join('\n');
      shown = workingView(title, `${said}\n\nGo back: everything is still filled in there.`, { close: 'Back' });
      const below = { view_id: view.id, view: refilled(view, problems) };
      await succeeds(() => api.call('views.update', below), 'a refused form could not be marked');
    } else if (form !== undefined) shown = next(form, meta);
    else if (problems.length > 0) shown = refilled(view, problems);
    const args = { ...inPlace, view: onTop === null ? shown : { ...shown, external_id: onTop } };
    const updated = await succeeds(() => api.call('views.update', args), 'a submitted form could not be updated');
    const isShown = updated && (form !== undefined || problems.length > 0);
    await answers.deliver(
      isShown ? outbounds.filter((each) => each.problems === undefined).map(withoutForm) : outbounds,
      target,
    );
  }

  async function suggestion(payload: SuggestionPayload, ack: Ack<{ options: Option[] }>): Promise<void> {
    const { view, user } = payload;
    const meta = view ? formMeta(view) : null;
    const key = fieldKey(payload.block_id);
    if (!view || meta === null || key === null) return void (await acked(ack, { options: [] }));
    const work = choicesOf(view, meta, key, payload);
    const choices = await within(work, optionsMs);
    await acked(ack, { options: offered(choices ?? [], payload.value ?? '') });

    /** The form is asked for again with nothing but what its choices depend on: so it is never taken for a filled one. */
    async function choicesOf(now: View, { given, ...rest }: FormMeta, wanted: string, { value }: SuggestionPayload) {
      const person = await people.look(rest.place.workspace, user.id, user.name ?? user.username);
      const outbounds = await handled({
        ...asked(rest, person, `slack:options:${now.id}:${payload.block_id}:${value ?? ''}`),
        values: { ...given, ...dependedOn(now) },
      });
      const form = outbounds.find((each) => each.form !== undefined)?.form;
      return form?.fields.find((each) => each.key === wanted)?.choices ?? [];
    }
  }

  return { opened, openLoading, filled, reload, submission, suggestion };
}

/** The values of the fields that others depend on. */
function dependedOn(view: View): Record<string, string> {
  const ids = view.blocks.filter((block) => block.dispatch_action === true).map((block) => block.block_id ?? '');
  const keys = new Set(ids.map(fieldKey));
  return Object.fromEntries(Object.entries(formValues(view)).filter(([key]) => keys.has(key)));
}

function asked(meta: FormMeta, person: PersonIn, eventId: string): Inbound {
  return {
    source: 'open-form',
    eventId,
    person,
    place: meta.place,
    private: meta.private,
    text: meta.command,
    canOpenForm: true,
  };
}

/** What a form is prefilled with. */
function valuesIn({ fields }: Form): Record<string, string> {
  return Object.fromEntries(fields.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value]])));
}

function metaOf(form: Form, { place, private: isPrivate }: Target, load: number): FormMeta {
  return { command: form.command, place, private: isPrivate, load };
}

function viewOf(answer: Answer): View | null {
  return View.safeParse(answer.view).data ?? null;
}

function next(form: Form, meta: FormMeta): ModalView {
  return renderForm(givenUp(form), meta.place, meta.private, meta.load + 1);
}

function metaTarget(meta: FormMeta, user: string): Target {
  return { place: meta.place, private: meta.private, user, text: meta.command };
}

function withoutForm(outbound: Outbound): Outbound {
  const { form: _form, ...rest } = outbound;
  return rest;
}
