export { ModuleDict, ModuleList } from "./containers.ts";
export { KVCache, type KVCacheOptions } from "./kvCache.ts";
export { Conv1D } from "./layers/conv1d.ts";
export { Embedding } from "./layers/embedding.ts";
export { LayerNorm } from "./layers/layerNorm.ts";
export { Linear } from "./layers/linear.ts";
export { RMSNorm } from "./layers/rmsNorm.ts";
export { Module, type UnaryModule } from "./module.ts";
export { Parameter } from "./parameter.ts";
