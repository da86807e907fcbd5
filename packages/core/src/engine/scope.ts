import { expectSynchronous } from "../modes/gradMode.ts";
import type { Tensor } from "./tensor.ts";

let frame: Set<Tensor> | null = null;

/** Adds a new tensor to the running scope. Returns false if no scope is running. */
export function enterScope(tensor: Tensor): boolean {
  frame?.add(tensor);
  return frame !== null;
}

/**
 * Adds `value` and all objects that can be reached from it to `into`. `own` holds the tensors that the scope created;
 * from such a tensor, only its gradient is followed.
 */
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
 * Runs `fn` and then frees every tensor that it created, except the tensors in its result (also inside arrays, maps and
 * objects) and those passed to `keep`. Scopes nest: the result of an inner scope belongs to the outer scope. `fn` must
 * be synchronous; throws if it returns a promise.
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
 * Removes a tensor from the running scope, which then does not free it: it lives until `dispose()` or garbage
 * collection. Returns the tensor.
 */
export function keep<T extends Tensor>(tensor: T): T {
  tensor.hold();
  if (frame?.delete(tensor)) tensor.watch();
  return tensor;
}
