/** What an app is to KQueen: a set of objects that were applied under one name, whatever they came from. */

/** Where the objects of an app come from. */
export type AppSource = { from: 'text'; text: string };

/** The objects of an app, read, checked and packed. */
export interface AppBundle {
  /** What a job carries: sealed, since manifests may hold secrets. */
  bulk: string;
  /** How many objects. */
  objects: number;
  /** A name that the manifests suggest for the app. */
  suggests?: string;
  /** Where the person finds what was made up for them, such as a password. */
  notes: string[];
}

/** The name of an app: a DNS label that leaves room for what is added to it. */
export const appName = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** What went wrong when the name is not one. */
export const appNameRule = 'Use at most 40 lower-case letters, digits and dashes, such as web or web-2.';

/** Largest manifests that are taken, in bytes. */
export const largestManifest = 5 * 1024 * 1024;
