// The kernels of batch-invariant builds: all others, and those that run many sequences at once.
export * from "./index";
export * from "./lowRankRows";
export * from "./pagedAttention";
