// Every kernel is exported from here: numbers in, memory out.
export * from "./gemm";

/** First byte after the static data: the heap starts here. */
export const heapBase: usize = __heap_base;
