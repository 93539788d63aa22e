/** Counts the calls of an object that are under way, until it is cut off: then nothing arrives and nothing is answered. */
export function counted<T extends object>(whole: T, count: { under: number }, cut: { off: boolean }): T {
  return new Proxy(whole, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target);
      if (typeof found !== 'function') return found;
      return (...args: unknown[]) => {
        if (cut.off) return new Promise(() => undefined);
        const answer: unknown = found.apply(target, args);
        if (!(answer instanceof Promise)) return answer;
        count.under += 1;
        const done = () => {
          count.under -= 1;
        };
        answer.then(done, done);
        return answer;
      };
    },
  });
}
