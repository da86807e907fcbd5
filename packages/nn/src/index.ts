export type { AttentionCache, CachedAttendOptions } from "./attentionCache.ts";
export { type Attend, type AttendOptions, AttentionLayer } from "./attentionLayer.ts";
export { ModuleDict, ModuleList, Sequential } from "./containers.ts";
export { earlierRows } from "./earlierRows.ts";
export { KVCache, type KVCacheOptions } from "./kvCache.ts";
export { type CacheSizes, type LayerCache, layerCaches } from "./layerCache.ts";
export type { LayerKind } from "./layerKind.ts";
export { GELU, ReLU, Sigmoid, SiLU, Tanh } from "./layers/activations.ts";
export { BatchNorm1d, BatchNorm2d, type BatchNormOptions } from "./layers/batchNorm.ts";
export { Conv1D } from "./layers/conv1d.ts";
export { Conv1d, Conv2d } from "./layers/conv2d.ts";
export { Dropout } from "./layers/dropout.ts";
export { Embedding } from "./layers/embedding.ts";
export { Flatten } from "./layers/flatten.ts";
export { LayerNorm } from "./layers/layerNorm.ts";
export { Linear } from "./layers/linear.ts";
export { Linear4bit, type Linear4bitOptions } from "./layers/linear4bit.ts";
export { linearLayer } from "./layers/linearLayer.ts";
export { AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d } from "./layers/pooling.ts";
export { packWeight, quantizeLinear } from "./layers/quantizeLinear.ts";
export { Residual } from "./layers/residual.ts";
export { RMSNorm } from "./layers/rmsNorm.ts";
export { stopAtPadding } from "./layers/stopAtPadding.ts";
export type { CreateLayerOptions } from "./layers/uniformParameter.ts";
export type { LoadReport, StateDict } from "./loadTensors.ts";
export { Module, type UnaryModule } from "./module.ts";
export { ModuleBuffer } from "./moduleBuffer.ts";
export { Adagrad, type AdagradOptions } from "./optim/adagrad.ts";
export { Adam, type AdamOptions } from "./optim/adam.ts";
export { AdamW } from "./optim/adamW.ts";
export { AdamW8bit, type AdamW8bitOptions } from "./optim/adamW8bit.ts";
export { clipGradNorm } from "./optim/clipGradNorm.ts";
export { Lion, type LionOptions } from "./optim/lion.ts";
export {
  type Guard,
  Optimizer,
  type OptimizerState,
  type ParamGroup,
  type Params,
  type StateSpec,
  type Update,
} from "./optim/optimizer.ts";
export { RMSprop, type RMSpropOptions } from "./optim/rmsprop.ts";
export { SGD, type SGDOptions } from "./optim/sgd.ts";
export { PackedDocuments } from "./packedDocuments.ts";
export { PagedBatch, type PagedRows } from "./pagedBatch.ts";
export { PagedKVCache, type PagedKVCacheOptions, type PagedLayer } from "./pagedKVCache.ts";
export { Parameter } from "./parameter.ts";
export {
  dequantize,
  type LinearPlace,
  layersToSkip,
  type QuantizationReport,
  type QuantizedLayer,
  type QuantizeInPlaceOptions,
  type QuantizeOptions,
  quantize,
} from "./quantize.ts";
export { quantizeActivations } from "./quantizeActivations.ts";
export type { DecayOptions, Schedule, WarmupOptions } from "./schedules.ts";
export * as schedules from "./schedules.ts";
export type { AttentionSizes, PromptableModel, VirtualTokens } from "./virtualTokens.ts";
