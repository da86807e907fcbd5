export {
  type Attend,
  type AttendOptions,
  type AttentionCache,
  AttentionLayer,
  type CachedAttendOptions,
  type LayerCache,
} from "./attention/attentionCache.ts";
export { KVCache, type KVCacheOptions } from "./attention/kvCache.ts";
export { PagedKVCache, type PagedKVCacheOptions, type PagedLayer } from "./attention/pagedKVCache.ts";
export type {
  DecoderBuilder,
  DecoderInputs,
  DecoderModel,
  EnteredBlocks,
  SecondDecoder,
  SecondDecoderRequest,
} from "./attention/secondDecoder.ts";
export type {
  AttentionSizes,
  PromptableModel,
  PromptedLabels,
  PromptedRows,
  PromptLoss,
  TokenTypes,
  VirtualTokens,
} from "./attention/virtualTokens.ts";
export {
  MultiheadAttention,
  type MultiheadAttentionCall,
  type MultiheadAttentionOptions,
} from "./layers/attention/multiheadAttention.ts";
export type { AttentionMasks } from "./layers/attention/weighValues.ts";
export { Conv1d, Conv2d } from "./layers/conv2d.ts";
export { Embedding } from "./layers/embedding.ts";
export type { CreateLayerOptions } from "./layers/layerSizes.ts";
export { Conv1D } from "./layers/linear/conv1d.ts";
export { Linear } from "./layers/linear/linear.ts";
export { Linear4bit, type Linear4bitOptions } from "./layers/linear/linear4bit.ts";
export { BatchNorm1d, BatchNorm2d, type BatchNormOptions } from "./layers/norms/batchNorm.ts";
export { LayerNorm } from "./layers/norms/layerNorm.ts";
export { RMSNorm } from "./layers/norms/rmsNorm.ts";
export { Dropout, GELU, ReLU, Sigmoid, SiLU, Tanh } from "./layers/pointwise.ts";
export { AvgPool1d, AvgPool2d, Flatten, MaxPool1d, MaxPool2d } from "./layers/pooling.ts";
export { ModuleDict, ModuleList, Residual, Sequential } from "./module/containers.ts";
export type { LoadReport, StateDict } from "./module/loadTensors.ts";
export { type LayerKind, Module, type UnaryModule } from "./module/module.ts";
export { ModuleBuffer, Parameter } from "./module/parameter.ts";
export { Adafactor, type AdafactorOptions } from "./optim/adafactor.ts";
export { Adagrad, type AdagradOptions } from "./optim/adagrad.ts";
export { Adam, type AdamOptions, AdamW } from "./optim/adam.ts";
export { AdamW8bit, type AdamW8bitOptions } from "./optim/adamW8bit.ts";
export { clipGradNorm } from "./optim/clipGradNorm.ts";
export { Lion, type LionOptions } from "./optim/lion.ts";
export { Muon, type MuonOptions, type MuonRate } from "./optim/muon.ts";
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
export {
  dequantize,
  type LinearPlace,
  type QuantizationReport,
  type QuantizedLayer,
  type QuantizeInPlaceOptions,
  type QuantizeOptions,
  quantize,
  quantizeLinear,
  useInt8Activations,
} from "./quantize/quantize.ts";
export type { DecayOptions, Schedule, WarmupOptions } from "./schedules/schedules.ts";
export * as schedules from "./schedules/schedules.ts";
