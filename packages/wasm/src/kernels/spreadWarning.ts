import type { Shape } from "@lowrank/core/backend";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Weight shapes for which a warning has been printed, for each backend. */
const warned = new WeakMap<Kernels, Set<string>>();

/** Warns, once per weight shape, that the fraction `share` of the activations' elements rounds to zero. */
export function warnOfZeroedRows(k: Kernels, shape: Shape, share: number): void {
  const shapes = warned.get(k) ?? new Set();
  const name = `[${shape}]`;
  if (shapes.has(name)) return;
  warned.set(k, shapes.add(name));
  console.warn(
    `wasm: ${(100 * share).toFixed(0)} % of the elements of rows that are multiplied by a weight ${name} round to zero in high precision, since other elements in their blocks are thousands of times larger; set the weight's \`precision\` to "highest" if that matters`,
  );
}
