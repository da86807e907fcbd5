import { to } from "@lowrank/core";
import { type Module, Parameter } from "@lowrank/nn";
import { Swap } from "../../layers/swap.ts";
import { filePrefix } from "./adapter.ts";
import type { Plan } from "./planAdapter.ts";

/**
 * Creates an adapter's trainable copies of the base model's biases, by file key. `mode` selects no biases, all biases,
 * or the biases of the layers whose paths are in `adapted`.
 */
export function biasSwaps(
  model: Module,
  mode: "none" | "all" | "layers",
  adapted: ReadonlySet<string>,
  saved: Plan["saved"],
): Map<string, Swap> {
  const swaps = new Map<string, Swap>();
  if (mode === "none") return swaps;
  // Replicated layers share biases, and then also the copies.
  const copies = new Map<Parameter, Parameter>();
  for (const [path, owner] of model.namedModules()) {
    const { bias } = owner as { bias?: unknown };
    if (!(bias instanceof Parameter) || (mode === "layers" && !adapted.has(path))) continue;
    if (saved.some((whole) => path === whole.path || path.startsWith(`${whole.path}.`))) continue;
    const key = `${filePrefix}${path === "" ? "" : `${path}.`}${adapted.has(path) ? "base_layer." : ""}bias`;
    if (!copies.has(bias)) {
      using copy = to(bias.detach(), { dtype: "f32" });
      copies.set(bias, new Parameter(copy));
    }
    swaps.set(key, new Swap([{ owner, key: "bias" }], copies.get(bias)!));
  }
  return swaps;
}
