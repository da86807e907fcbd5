import type { Holding } from "./holding.ts";

/**
 * Frees the memory and graph node of a tensor once the tensor itself is garbage: the net under
 * `scope`, `using` and `dispose`.
 */
const registry = new FinalizationRegistry<Holding>((holding) => holding.release());

/** So many tensors, and bytes of theirs, wait at most for their place in the registry. */
const [mostWaiting, mostBytes] = [64, 2 ** 20];

const tensors = new Array<object | null>(mostWaiting).fill(null);
const holdings = new Array<Holding | null>(mostWaiting).fill(null);
let waiting = 0;
let bytes = 0;
let planned = false;

/**
 * Has the hold of a tensor given up once the tensor is garbage. A place in the registry costs as
 * much as a small op, and most tensors are freed soon by their owners: each waits until more have
 * come, or the code that runs has ended, and only those that live on get a place.
 */
export function watchGarbage(tensor: object, holding: Holding): void {
  tensors[waiting] = tensor;
  holdings[waiting++] = holding;
  bytes += holding.storage?.buffer.bytes ?? 0;
  if (waiting === mostWaiting || bytes > mostBytes) {
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
  for (let i = 0; i < waiting; i++) {
    const [tensor, holding] = [tensors[i], holdings[i]];
    // Without a token to take it out again, which would cost five times as much.
    if (tensor && holding?.storage) registry.register(tensor, holding);
    tensors[i] = null;
    holdings[i] = null;
  }
  waiting = 0;
  bytes = 0;
}
