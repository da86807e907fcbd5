import type { Tensor } from "@lowrank/core";
import { Module, type Parameter } from "@lowrank/nn";

/**
 * Holds one thing for each adapter, as properties under the adapters' names:
 * `lora_A.default.weight`.
 */
export class AdapterSlot extends Module {
  get(name: string): unknown {
    return Object.hasOwn(this, name) ? (this as unknown as Record<string, unknown>)[name] : undefined;
  }

  set(name: string, value: Module | Parameter): void {
    (this as unknown as Record<string, unknown>)[name] = value;
  }

  delete(name: string): void {
    delete (this as unknown as Record<string, unknown>)[name];
  }
}

/** The name of the base model among the adapters' names of a batch. */
export const baseName = "__base__";

const reserved = new Set([
  baseName,
  "constructor",
  "training",
  ...Object.getOwnPropertyNames(AdapterSlot.prototype),
  ...Object.getOwnPropertyNames(Module.prototype),
]);

/**
 * Throws for a name that cannot be an adapter's: it is part of parameter names and of folder names.
 */
export function checkAdapterName(name: string): void {
  if (!/^[^./\\\s]+$/.test(name) || reserved.has(name)) {
    throw new Error(`${JSON.stringify(name)} cannot be an adapter's name; use letters, digits, - and _`);
  }
}

/**
 * Puts a tensor into `owner` under PEFT's name for it: the adapter's name goes behind the first
 * part of the key, so that "lora_A.weight" becomes `lora_A.default.weight`.
 */
export function place(owner: Module, key: string, adapter: string, value: Module | Parameter): void {
  const dot = key.indexOf(".");
  const [first, rest] = dot < 0 ? [key] : [key.slice(0, dot), key.slice(dot + 1)];
  const slots = owner as unknown as Record<string, AdapterSlot | undefined>;
  slots[first] ??= new AdapterSlot();
  const slot = slots[first];
  if (rest === undefined) {
    slot.set(adapter, value);
    return;
  }
  const inner = (slot.get(adapter) as AdapterSlot | undefined) ?? new AdapterSlot();
  inner.set(rest, value);
  slot.set(adapter, inner);
}

/** Gives back the memory of a tensor and its gradient. */
export function free(tensor: Tensor): void {
  tensor.grad?.dispose();
  tensor.dispose();
}

/** Removes everything of an adapter from `owner`. */
export function clear(owner: Module, adapter: string): void {
  for (const slot of Object.values(owner)) if (slot instanceof AdapterSlot) slot.delete(adapter);
}
