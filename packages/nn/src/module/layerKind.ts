/**
 * Kinds of layers that adapters can wrap. Kinds with a weight differ in its layout; "attention" and "residual" have
 * none.
 */
export type LayerKind = "linear" | "conv1d" | "embedding" | "norm" | "attention" | "residual";
