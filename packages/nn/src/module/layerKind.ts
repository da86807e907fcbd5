/**
 * The kinds of layer that adapters know: they differ in how the weight lies, and
 * some have none of their own.
 */
export type LayerKind = "linear" | "conv1d" | "embedding" | "norm" | "attention" | "residual";
