import type { Choice } from '../../core/ports/engine.ts';

interface Read {
  text: string;
  major: number;
  minor: number;
  patch: number;
}

/** `1.34`, `v1.34.2` and `1.34.2-1.1` are versions. */
function read(text: string): Read | null {
  const found = /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(text.trim());
  if (!found) return null;
  return { text, major: Number(found[1]), minor: Number(found[2]), patch: Number(found[3] ?? 0) };
}

/** The versions newer than `from`, by one minor at most since Kubernetes skips none; the next step first. */
export function newerVersions(offered: readonly string[], from: string): Choice[] {
  const now = read(from);
  if (!now) return [];
  return offered
    .flatMap((text) => read(text) ?? [])
    .filter(
      ({ major, minor, patch }) =>
        major === now.major && ((minor === now.minor && patch > now.patch) || minor === now.minor + 1),
    )
    .sort((a, b) => b.minor - a.minor || b.patch - a.patch)
    .map(({ text }) => ({ value: text, label: text }));
}
