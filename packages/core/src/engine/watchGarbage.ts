import type { Holding } from "./holding.ts";

/**
 * Frees the memory and graph node of a tensor once the tensor itself is garbage: the net under
 * `scope`, `using` and `dispose`.
 */
const registry = new FinalizationRegistry<Holding>((holding) => holding.release());

/** A tensor as it waits for its place in the registry. */
interface Watched {
  readonly isDisposed: boolean;
  /** Takes its place. */
  register(): void;
}

/** So many tensors, and bytes of theirs, wait at most. */
const [mostWaiting, mostBytes] = [64, 2 ** 20];

const waiting = new Array<Watched | null>(mostWaiting).fill(null);
let count = 0;
let waitingBytes = 0;
let planned = false;

/**
 * Has a tensor of so many bytes take its place in the registry. That costs as much as a small op,
 * and most tensors are freed soon by their owners: each waits until more have come, or the code
 * that runs has ended, and only those that live on get a place.
 */
export function watchGarbage(tensor: Watched, bytes: number): void {
  waiting[count++] = tensor;
  waitingBytes += bytes;
  if (count === mostWaiting || waitingBytes > mostBytes) {
    registerWaiting();
  } else if (!planned) {
    planned = true;
    void Promise.resolve().then(() => {
      planned = false;
      registerWaiting();
    });
  }
}

function registerWaiting(): void {
  for (let i = 0; i < count; i++) {
    const tensor = waiting[i];
    if (tensor && !tensor.isDisposed) tensor.register();
    waiting[i] = null;
  }
  count = 0;
  waitingBytes = 0;
}

/** An object without anything, which is less than `{}` takes. */
class Life {}

/**
 * Returns an object for whose life `holding` is held: it is given up after the object became
 * garbage. Engines keep what is in a registry through all but their thorough collections, so this
 * is a small object that a tensor refers to, and not the tensor.
 */
export function finalizationTarget(holding: Holding): object {
  const life = new Life();
  // Without a token to take it out again, which would cost five times as much.
  registry.register(life, holding);
  return life;
}
