export type { AttentionCache, CachedAttendOptions } from "./attention/attentionCache.ts";
export { type Attend, type AttendOptions, AttentionLayer } from "./attention/attentionLayer.ts";
export { KVCache, type KVCacheOptions } from "./attention/kvCache.ts";
export type { LayerCache } from "./attention/layerCache.ts";
export { PagedKVCache, type PagedKVCacheOptions, type PagedLayer } from "./attention/pagedKVCache.ts";
export type { AttentionSizes, PromptableModel, VirtualTokens } from "./attention/virtualTokens.ts";
export { GELU, ReLU, Sigmoid, SiLU, Tanh } from "./layers/activations.ts";
export { Conv1d, Conv2d } from "./layers/conv2d.ts";
export { Dropout } from "./layers/dropout.ts";
export { Embedding } from "./layers/embedding.ts";
export { Flatten } from "./layers/flatten.ts";
export { Conv1D } from "./layers/linear/conv1d.ts";
export { Linear } from "./layers/linear/linear.ts";
export { Linear4bit, type Linear4bitOptions } from "./layers/linear/linear4bit.ts";
export { quantizeLinear } from "./layers/linear/quantizeLinear.ts";
export { BatchNorm1d, BatchNorm2d, type BatchNormOptions } from "./layers/norms/batchNorm.ts";
export { LayerNorm } from "./layers/norms/layerNorm.ts";
export { RMSNorm } from "./layers/norms/rmsNorm.ts";
export { AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d } from "./layers/pooling.ts";
export { Residual } from "./layers/residual.ts";
export type { CreateLayerOptions } from "./layers/uniformParameter.ts";
export { ModuleDict, ModuleList, Sequential } from "./module/containers.ts";
export type { LayerKind } from "./module/layerKind.ts";
export type { LoadReport, StateDict } from "./module/loadTensors.ts";
export { Module, type UnaryModule } from "./module/module.ts";
export { ModuleBuffer, Parameter } from "./module/parameter.ts";
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
export type { DecayOptions, Schedule, WarmupOptions } from "./optim/schedules.ts";
export * as schedules from "./optim/schedules.ts";
export { SGD, type SGDOptions } from "./optim/sgd.ts";
export {
  dequantize,
  type LinearPlace,
  type QuantizationReport,
  type QuantizedLayer,
  type QuantizeInPlaceOptions,
  type QuantizeOptions,
  quantize,
} from "./quantize/quantize.ts";
export { useInt8Activations } from "./quantize/useInt8Activations.ts";
