import { AttentionLayer, Conv1D, Embedding, LayerNorm, Linear, type Module, Residual, RMSNorm } from "@lowrank/nn";

/**
 * The kinds of layer that adapters know: they differ in how the weight lies, and
 * some have none of their own.
 */
export type LayerKind = "linear" | "conv1d" | "embedding" | "norm" | "attention" | "residual";

/** The kind of a module; null for one that adapters cannot sit on. */
export function layerKind(module: Module): LayerKind | null {
  if (module instanceof Linear) return "linear";
  if (module instanceof Conv1D) return "conv1d";
  if (module instanceof LayerNorm || module instanceof RMSNorm) return "norm";
  if (module instanceof AttentionLayer) return "attention";
  if (module instanceof Residual) return "residual";
  return module instanceof Embedding ? "embedding" : null;
}
