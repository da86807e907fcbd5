// The entry "@lowrank/nn/internal": what other packages of this repository need and users do not. It may change in
// any version.

export { earlierRows } from "./attention/earlierRows.ts";
export { type CacheSizes, layerCaches } from "./attention/layerCache.ts";
export { PackedDocuments } from "./attention/packedDocuments.ts";
export { PagedBatch, type PagedRows } from "./attention/pagedBatch.ts";
export { stopAtPadding } from "./layers/embedding.ts";
export { linearLayer } from "./layers/linear/linear4bit.ts";
export { packWeight } from "./layers/linear/quantizeLinear.ts";
export { layersToSkip } from "./quantize/quantize.ts";
