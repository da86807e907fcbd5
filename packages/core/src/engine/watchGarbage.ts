import type { Holding } from "./holding.ts";

/**
 * Releases the memory and graph node of a tensor after the tensor was garbage-collected. This catches tensors that
 * `scope`, `using` and `dispose` did not free.
 */
const registry = new FinalizationRegistry<Holding>((holding) => holding.release());

/** A tensor that waits for its registration. */
interface Watched {
  readonly isDisposed: boolean;
  /** Registers the tensor with the finalization registry. */
  register(): void;
}

/** At most this many tensors, and this many bytes of them, wait for registration. */
const [mostWaiting, mostBytes] = [64, 2 ** 20];

const waiting = new Array<Watched | null>(mostWaiting).fill(null);
let count = 0;
let waitingBytes = 0;
let planned = false;

/**
 * Schedules the finalizer of a tensor of this many bytes. A registration costs as much as a small op, and owners free
 * most tensors soon. So tensors wait until the queue is full or the running code has ended. Only tensors that still
 * live are then registered.
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

/** An empty object that takes less memory than `{}`. */
class Life {}

/**
 * Returns an object whose collection releases `holding`. Engines keep registered objects alive through all but full
 * collections. So the tensor registers this small object, which it refers to, instead of itself.
 */
export function finalizationTarget(holding: Holding): object {
  const life = new Life();
  // Registered without an unregister token, which would make the call five times as expensive.
  registry.register(life, holding);
  return life;
}
