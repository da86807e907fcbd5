/** Holds back the engine's clean-up of unreachable tensors. */
interface HeldGarbage {
  /** Frees the tensors that became unreachable so far; from then on at once, if the test file's name requests it. */
  free(testFile: string): void;
}

const place: unique symbol = Symbol.for("lowrank tests: held garbage");
const shared = globalThis as { [place]?: HeldGarbage };

/**
 * Makes `FinalizationRegistry` objects that are created afterwards wait for `free`. A page or a Worker that runs
 * several files calls it once.
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
      atOnce = testFile.includes(".garbage.");
      const due = pending;
      pending = [];
      for (const cleanUp of due) cleanUp();
    },
  };
  return shared[place];
}
