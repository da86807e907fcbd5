import { expectSynchronous } from "../modes/synchronous.ts";
import type { Tensor } from "./tensor.ts";

let frame: Set<Tensor> | null = null;

/** Notes a new tensor in the running scope; false when there is none. */
export function enterScope(tensor: Tensor): boolean {
  frame?.add(tensor);
  return frame !== null;
}

/** Removes a tensor from the running scope; false when it was not in it. */
function leaveScope(tensor: Tensor): boolean {
  return frame?.delete(tensor) ?? false;
}

/** Finds the tensors reachable from a value; a tensor of `own` holds no other but its gradient. */
function collect(value: unknown, into: Set<unknown>, own: ReadonlySet<unknown>): void {
  if (typeof value !== "object" || value === null || into.has(value) || ArrayBuffer.isView(value)) return;
  into.add(value);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) collect(value[i], into, own);
  } else if (value instanceof Map || value instanceof Set) {
    for (const item of value) collect(item, into, own);
  } else if (own.has(value)) {
    collect((value as Tensor).grad, into, own);
  } else {
    for (const key of Object.keys(value)) collect((value as Record<string, unknown>)[key], into, own);
  }
}

/**
 * Runs `fn` and frees every tensor that it made, save those reachable from what it returns (through
 * arrays, maps and objects) and those given to `keep`. Scopes nest: what an inner one returns
 * belongs to the outer one. `fn` must be synchronous; a promise is an error.
 */
export function scope<T>(fn: () => T): T {
  const outer = frame;
  const own = new Set<Tensor>();
  frame = own;
  let result: T;
  try {
    result = expectSynchronous("scope", fn());
  } catch (error) {
    frame = outer;
    for (const tensor of own) tensor.dispose();
    throw error;
  }
  frame = outer;
  if (own.size === 0) return result;
  const returned = new Set<unknown>();
  collect(result, returned, own);
  for (const tensor of own) {
    if (returned.has(tensor)) tensor.track();
    else tensor.dispose();
  }
  return result;
}

/**
 * Takes a tensor out of the running scope: it then lives until `dispose()`, or until
 * it is garbage. Returns it.
 */
export function keep<T extends Tensor>(tensor: T): T {
  tensor.hold();
  if (leaveScope(tensor)) tensor.watch();
  return tensor;
}
