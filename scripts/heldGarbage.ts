/** The clean-up of garbage, held back. */
interface HeldGarbage {
  /**
   * Cleans up after what became garbage so far; from then on at once, if the test's file says so.
   */
  free(testFile: string): void;
}

const place: unique symbol = Symbol.for("lowrank tests: held garbage");
const shared = globalThis as { [place]?: HeldGarbage };

/**
 * Makes registries of garbage that are created from now on wait for `free`. A page or a Worker that
 * runs several files does so once.
 */
export function holdGarbage(): HeldGarbage {
  if (shared[place]) return shared[place];
  let pending: (() => void)[] = [];
  let atOnce = false;
  globalThis.FinalizationRegistry = class<T> extends FinalizationRegistry<T> {
    constructor(cleanUp: (held: T) => void) {
      super((held) => {
        if (atOnce) cleanUp(held);
        else pending.push(() => cleanUp(held));
      });
    }
  };
  shared[place] = {
    free: (testFile) => {
      atOnce = testFile.includes(".garbage.test.");
      const due = pending;
      pending = [];
      for (const cleanUp of due) cleanUp();
    },
  };
  return shared[place];
}
