/** What an upgrade aims at, and how what is found is ranked. */
import { minorOf } from '../../core/digest-versions.ts';

/** From where to where a cluster is to go. */
export interface Aim {
  /** Its name in KQueen, for the buttons. */
  cluster: string;
  /** The version that was asked for, or '' for a look without one. */
  target: string;
  /** The minor version of Kubernetes 1 after the upgrade (the next one when none was asked for); null when it cannot be told. */
  minor: number | null;
  /** The minor version that it has now; null when it cannot be told. */
  now: number | null;
}

/** `34` of `1.34.2` and of `v1.34`. */
export function minorNumber(version: string): number | null {
  const minor = minorOf(version)?.split('.')[1];
  return minor === undefined ? null : Number(minor);
}

/** Ranks of what is found, worst first. */
export const concernRanks = {
  removed: 0,
  budget: 1,
  webhook: 2,
  node: 3,
  skew: 4,
  pending: 5,
  room: 6,
  alone: 10,
  single: 11,
  deprecated: 12,
  stored: 13,
};
