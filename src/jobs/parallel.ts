/** Runs `work` over the items in order, at most `limit` at once; throws what a run throws after the others have ended. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const next = items.values();
  async function place(): Promise<void> {
    for (const item of next) await work(item);
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, place));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
