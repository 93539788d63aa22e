import type { Target } from '../../core/ports/engine.ts';

/** Labels on every cluster of KQueen's. */
export const clusterLabel = 'kqueen-cluster';
export const orgLabel = 'kqueen-org';

/**
 * A value as Google takes it: lower-case letters, digits, dashes and underscores, at most 63
 * (https://cloud.google.com/kubernetes-engine/docs/how-to/creating-managing-labels). KQueen's ids are such already; whatever is not is written
 * with an underscore and its code, so that two never become one.
 */
function labelValue(text: string): string {
  return text.replace(/[^a-z0-9-]/g, (letter) => `_${letter.codePointAt(0)?.toString(16) ?? ''}`).slice(0, 63);
}

export function marksOf(target: Pick<Target, 'org' | 'cluster'>): Record<string, string> {
  return { [clusterLabel]: labelValue(target.cluster), [orgLabel]: labelValue(target.org) };
}

export function isMine(labels: Record<string, string>, target: Target): boolean {
  return Object.entries(marksOf(target)).every(([key, value]) => labels[key] === value);
}

/** Whether it carries any cluster's mark. */
export function isMarked(labels: Record<string, string>): boolean {
  return labels[clusterLabel] !== undefined || labels[orgLabel] !== undefined;
}

/** The labels without a mark. */
export function unmarked(labels: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => key !== clusterLabel && key !== orgLabel));
}

/** Labels by which people usually say who made a cluster. */
const ownerLabels = ['owner', 'created-by', 'created_by', 'creator', 'team', 'contact'];

export function ownerOf(labels: Record<string, string>): string | undefined {
  return ownerLabels.map((key) => labels[key]).find(Boolean);
}
