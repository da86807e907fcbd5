/**
 * The kinds of layer that adapters support. They differ in the weight's layout; "attention" and "residual" have no
 * weight.
 */
export type LayerKind = "linear" | "conv1d" | "embedding" | "norm" | "attention" | "residual";
