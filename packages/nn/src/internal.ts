// The entry "@lowrank/nn/internal": what other packages of this repository need and users do not. It may change in
// any version.

export { type CacheSizes, earlierRows, layerCaches } from "./attention/attentionCache.ts";
export { type CurrentBatch, currentBatch, type Invocation, setBatch } from "./attention/currentBatch.ts";
export { PackedDocuments } from "./attention/packedDocuments.ts";
export { PagedBatch, type PagedRows } from "./attention/pagedBatch.ts";
export { stopAtPadding } from "./layers/embedding.ts";
export { linearLayer } from "./layers/linear/linear4bit.ts";
export type { ExpertLayers, ExpertStack, ExpertUpdates } from "./module/experts.ts";
export { layersToSkip, packWeight } from "./quantize/quantize.ts";
