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
  // The paths in files of adapted layers, by their paths in the base model: "attn.base_layer.out_proj" of attention.
  const filed = new Map([...adapted].map((path) => [path.replace(".base_layer.", "."), path]));
  for (const [path, owner] of model.namedModules()) {
    const { bias } = owner as { bias?: unknown };
    if (!(bias instanceof Parameter) || (mode === "layers" && !filed.has(path))) continue;
    if (saved.some((whole) => path === whole.path || path.startsWith(`${whole.path}.`))) continue;
    const at = filed.get(path);
    const key = `${filePrefix}${path === "" ? "" : `${at ?? path}.`}${at === undefined ? "" : "base_layer."}bias`;
    if (!copies.has(bias)) {
      using copy = to(bias.detach(), { dtype: "f32" });
      copies.set(bias, new Parameter(copy));
    }
    swaps.set(key, new Swap([{ owner, key: "bias" }], copies.get(bias)!));
  }
  return swaps;
}
