import type { Holding } from "./holding.ts";

/**
 * Releases the memory and graph node of a tensor after the tensor was garbage-collected. This catches tensors that
 * `scope`, `using` and `dispose` did not free.
 */
const registry = new FinalizationRegistry<Holding>((holding) => holding.release());

/** A tensor in the queue, for which no finalizer is registered yet. */
interface Watched {
  readonly isDisposed: boolean;
  /** Registers the tensor with the finalization registry. */
  register(): void;
}

/**
 * Maximum number of tensors in the queue, and maximum of their total bytes. The queue is processed when one of them is
 * reached.
 */
const [mostWaiting, mostBytes] = [64, 2 ** 20];

const waiting = new Array<Watched | null>(mostWaiting).fill(null);
let count = 0;
let waitingBytes = 0;
let planned = false;

/**
 * Queues a tensor, whose memory has `bytes` bytes, for registration with the finalizer. Registering a tensor costs as
 * much as a small op, and most tensors are freed soon by `scope` or `dispose`. So the queue is processed only when it
 * is full or the running code has ended. Tensors that are freed by then are not registered.
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

/** Class of small objects to register with the finalizer; they take less memory than `{}`. */
class Life {}

/**
 * Returns a small object that releases `holding` when it is garbage-collected. The tensor refers to it and is not
 * registered itself, because engines keep registered objects alive until a full collection.
 */
export function finalizationTarget(holding: Holding): object {
  const life = new Life();
  // Registered without an unregister token, which would make the call five times as expensive.
  registry.register(life, holding);
  return life;
}
