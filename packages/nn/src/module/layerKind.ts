/**
 * Kinds of layers that adapters can wrap. "linear", "conv1d", "embedding" and "norm" have a weight, each in its own
 * layout; "attention" and "residual" have none.
 */
export type LayerKind = "linear" | "conv1d" | "embedding" | "norm" | "attention" | "residual";
