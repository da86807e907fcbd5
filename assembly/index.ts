// Every kernel is exported from here, but for those of batchInvariant.ts: numbers in, memory out.
export * from "./activationBackward";
export * from "./cast";
export * from "./copy";
export { attention, attentionBackward, attentionScratch } from "./attention";
export * from "./crossEntropy";
export * from "./dropout";
export * from "./elementwise";
export * from "./embedding";
export * from "./extremum";
export * from "./geglu";
export * from "./gemm";
export * from "./gemvPacked";
export * from "./indexing";
export { int16RowsBytes, int16WeightBytes, packInt16, quantizeInt16, quantizeInt16Scratch } from "./int16Codes";
export { int16Product, int16ProductScratch } from "./int16Product";
export { moduleOnDemand } from "./later";
export * from "./linearCrossEntropy";
export * from "./linearInt8";
export * from "./norm";
export * from "./optimizer";
export * from "./optimizer8bit";
export * from "./quantize4bit";
export * from "./quantizeBlockwise";
export * from "./reduce";
export * from "./rope";
export * from "./sampleToken";
export * from "./scalarMath";
export { setSegment } from "./segments";
export * from "./select";
export * from "./softmax";
export * from "./swiglu";
export * from "./unary";
export * from "./windows";
export { unpackRow } from "./formats";

/** First byte after the static data: the heap starts here. */
export const heapBase: usize = __heap_base;
