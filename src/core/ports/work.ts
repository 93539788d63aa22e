/** Work on a cluster through its own API: looking at it, planning a change of what is in it, and making that change one step at a time. */
import type { Fact, Part } from '../card.ts';
import type { ClusterUpdate } from './engine.ts';

/** One piece of work, as its job carries it. */
export interface Work {
  /** Name of the operation in the registry of src/kube/works, such as `app.deploy`. Stored in records: never changed. */
  op: string;
  /** What was asked for. Plain JSON, never secret, small: it is kept in the job. */
  input: Record<string, unknown>;
  /** What is large or secret, such as manifests: sealed beside the job while it lives. */
  bulk?: string;
  /**
   * What the steps so far have left to know; empty before the first. Plain JSON, at most 64 KiB. `since` is what a step counts its time from: it
   * is taken away when a failed job is tried again.
   */
  progress: Record<string, unknown>;
}

/** What one step came to. Every step is safe to repeat: a crash after it and before its word was saved makes it run again. */
export interface WorkStep {
  /** `again`: the next step follows at once; `wait`: after `ms`; `done`: nothing is left to do. What fails is thrown as a Fault. */
  state: 'again' | 'wait' | 'done';
  /** With `wait`, in milliseconds. */
  ms?: number;
  progress: Record<string, unknown>;
  /** Index of what is under way among the plan's steps. */
  at: number;
  /** 0–100, where there is a basis. */
  percent?: number;
  /** What it does or waits for, and at the end what was done, in a sentence. */
  note: string;
  /** Further lines for the job's log. */
  lines?: string[];
  /** Worth showing at the end. */
  result?: Fact[];
  /** The provider has to do this first; then the work goes on with its progress. */
  provider?: ClusterUpdate;
}

/** What a piece of work would do, found without changing anything (dry-run where the API has one). */
export interface WorkPlan {
  /** Names of its steps in order, for people. */
  steps: string[];
  facts: Fact[];
  /** Whom it disturbs, in a sentence. */
  disturbs: string;
  /** What would change, as a text people read: a diff. */
  detail?: string;
  /** What is worth knowing before it is done, worst first. */
  warnings: string[];
  /** What the plan rests on in the cluster, plain JSON: when it differs, the world has moved. */
  rests: unknown;
  /** Why an admin has to agree to it whoever asks: it reaches further than one app does. */
  admin?: string;
  /** Set when nothing would change, with the sentence that says so. */
  nothing?: string;
}

/** A look at what is in a cluster. Nothing in it is secret. */
export interface Looked {
  title: string;
  /** The whole look in a sentence or two. */
  text: string;
  parts: Part[];
  /** What is too long for a message. */
  file?: { name: string; content: string };
  /** Shown with a warning: something is not as it should be. */
  bad?: boolean;
  /** For the plan of a change that the look is taken for: what is worth knowing, worst first. */
  warnings?: string[];
  /** What was looked at, for the same plan, in a sentence or two. */
  summary?: string;
}
