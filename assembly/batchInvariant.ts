// The kernels of batch-invariant builds: all other kernels, plus the ones that process many sequences at once.
export * from "./index";
export * from "./gemm/lowRankRows";
export * from "./attention/pagedAttention";
