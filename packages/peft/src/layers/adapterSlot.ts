import type { Tensor } from "@lowrank/core";
import { Module, type ModuleBuffer, type Parameter } from "@lowrank/nn";

/**
 * Holds one module or parameter for each adapter, as properties named after the adapters. In `lora_A.default.weight`,
 * `lora_A` is such an object and `default` is an adapter's name.
 */
export class AdapterSlot extends Module {
  get(name: string): unknown {
    return Object.hasOwn(this, name) ? (this as unknown as Record<string, unknown>)[name] : undefined;
  }

  set(name: string, value: Module | Parameter | ModuleBuffer): void {
    (this as unknown as Record<string, unknown>)[name] = value;
  }

  delete(name: string): void {
    delete (this as unknown as Record<string, unknown>)[name];
  }
}

/** The name that selects the base model, without an adapter, in a list of adapter names by row. */
export const baseName = "__base__";

const reserved = new Set([
  baseName,
  "constructor",
  "training",
  ...Object.getOwnPropertyNames(AdapterSlot.prototype),
  ...Object.getOwnPropertyNames(Module.prototype),
]);

/** Throws for a name that an adapter cannot have. Adapter names become parts of parameter names and folder names. */
export function checkAdapterName(name: string): void {
  if (!/^[^./\\\s]+$/.test(name) || reserved.has(name)) {
    throw new Error(`${JSON.stringify(name)} cannot be an adapter's name; use letters, digits, - and _`);
  }
}

/**
 * Stores a tensor or module in `owner` under its PEFT name: `key` with the adapter's name inserted after the first
 * component. For the adapter `default`, "lora_A.weight" becomes `lora_A.default.weight`.
 */
export function place(owner: Module, key: string, adapter: string, value: Module | Parameter | ModuleBuffer): void {
  const [first, ...others] = key.split(".");
  const rest = others.join(".");
  const slots = owner as unknown as Record<string, AdapterSlot | undefined>;
  slots[first] ??= new AdapterSlot();
  const slot = slots[first];
  if (rest === "") {
    slot.set(adapter, value);
    return;
  }
  const inner = (slot.get(adapter) as AdapterSlot | undefined) ?? new AdapterSlot();
  inner.set(rest, value);
  slot.set(adapter, inner);
}

/** Frees a tensor and its gradient. */
export function free(tensor: Tensor): void {
  tensor.grad?.dispose();
  tensor.dispose();
}

/** Removes an adapter's entries from all `AdapterSlot`s of `owner`. Does not free their tensors. */
export function clear(owner: Module, adapter: string): void {
  for (const slot of Object.values(owner)) if (slot instanceof AdapterSlot) slot.delete(adapter);
}
