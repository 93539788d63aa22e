import type { Answer } from '../core/command.ts';
import type { MessageRef } from '../core/ports/chat.ts';
import type { Place } from '../core/records.ts';

/** A person as the chat platform vouches for them. */
export interface PersonIn {
  /** `slack:<team>:<user>`, `teams:<tenant>:<object id>`, `terminal:<name>`. */
  id: string;
  name: string;
  /** Why this person may not use KQueen (guest, other workspace, not verified), in words for them; null for members. */
  external: string | null;
  /** Their time zone, in the IANA database, when the platform tells it. */
  zone?: string;
}

/** One thing a person did in a chat; every adapter turns its platform's events into these. */
export interface Inbound {
  source: 'command' | 'mention' | 'direct' | 'button' | 'form' | 'open-form';
  /** Identity of the delivered event: the same redelivery has the same id. */
  eventId: string;
  person: PersonIn;
  /** Where it was said. */
  place: Place;
  /** Only this person reads the place (a direct message). */
  private: boolean;
  /** What was typed after the prefix, or the button's command, or the form's command. */
  text: string;
  /** Of a submitted form. */
  values?: Record<string, string>;
  /** The message a button sits on. */
  message?: MessageRef;
  /** A form can be opened at once (a trigger is at hand). */
  canOpenForm: boolean;
  /** The person sees that this is being worked on: the answer may take this many milliseconds, and so may the choices of a form that is loaded. */
  waitMs?: number;
}

/** What the adapter does with an answer. */
export type Outbound = Answer;

/** Answers an event. Never throws, and answers within about two seconds, or says that it is still working. */
export type Handle = (inbound: Inbound) => Promise<Outbound[]>;
