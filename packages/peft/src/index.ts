export type { AdapterSource } from "./adapterFiles.ts";
export type { OutputDifference } from "./compareOutputs.ts";
export { type ParsePeftConfigOptions, parsePeftConfig } from "./config/parsePeftConfig.ts";
export { PeftConfig, type PeftOptions, type TaskType } from "./config/peftConfig.ts";
export {
  PromptLearningConfig,
  type PromptLearningOptions,
  type ResolvedPromptConfig,
} from "./config/promptLearningConfig.ts";
export { type EvaBatch, initializeLoraEvaWeights } from "./eva/initializeLoraEvaWeights.ts";
export { fromLoraWeights, type LoraWeightsOptions } from "./foreign/loraWeights.ts";
export { fromMlx, toMlx } from "./foreign/mlx.ts";
export type { DenseLayer, LayerAdapter } from "./layers/tunerLayer.ts";
export { createLoraPlusOptimizer, type LoraPlusOptions } from "./loraPlus.ts";
export type { MergeDrift } from "./merge/checkMerge.ts";
export type { LayerDifference } from "./merge/compareLayer.ts";
export type { MergeReport } from "./merge/mergeReport.ts";
export type { PackedMerge } from "./merge/packedMerge.ts";
export {
  type AnyMethod,
  definePeftMethod,
  definePromptMethod,
  type LayerContext,
  type PeftMethod,
  type PromptContext,
  type PromptMethod,
  type PromptTokenizer,
  type SharedContext,
} from "./method.ts";
export { adaLora } from "./methods/adaLora.ts";
export { AdaLoraConfig, type AdaLoraOptions, type AdaLoraRanks } from "./methods/adaLoraConfig.ts";
export { AdaptionPromptConfig, type AdaptionPromptOptions, adaptionPrompt } from "./methods/adaptionPrompt.ts";
export { bitFit } from "./methods/bitFit.ts";
export { BitFitConfig } from "./methods/bitFitConfig.ts";
export { boft } from "./methods/boft.ts";
export { BOFTConfig, type BOFTOptions } from "./methods/boftConfig.ts";
export { bottleneck } from "./methods/bottleneck.ts";
export { BnConfig, type BnOptions, DoubleSeqBnConfig, ParBnConfig, SeqBnConfig } from "./methods/bottleneckConfig.ts";
export { delora } from "./methods/delora.ts";
export { DeloraConfig, type DeloraOptions } from "./methods/deloraConfig.ts";
export { fourierft } from "./methods/fourierft.ts";
export { FourierFTConfig, type FourierFTOptions } from "./methods/fourierftConfig.ts";
export { gralora } from "./methods/gralora.ts";
export { GraloraConfig, type GraloraOptions } from "./methods/graloraConfig.ts";
export { hira } from "./methods/hira.ts";
export { HiraConfig, type HiraOptions } from "./methods/hiraConfig.ts";
export { hra } from "./methods/hra.ts";
export { HRAConfig, type HRAOptions } from "./methods/hraConfig.ts";
export { ia3 } from "./methods/ia3.ts";
export { IA3Config, type IA3Options } from "./methods/ia3Config.ts";
export { peftMethods } from "./methods/index.ts";
export { lnTuning } from "./methods/lnTuning.ts";
export { LNTuningConfig } from "./methods/lnTuningConfig.ts";
export { loha } from "./methods/loha.ts";
export { LoHaConfig, type LoHaOptions } from "./methods/lohaConfig.ts";
export { lokr } from "./methods/lokr.ts";
export { LoKrConfig, type LoKrOptions } from "./methods/lokrConfig.ts";
export { lora } from "./methods/lora.ts";
export {
  type EvaConfig,
  type InitLoraWeights,
  type LoftQConfig,
  LoraConfig,
  type LoraOptions,
} from "./methods/loraConfig.ts";
export { loraScaling } from "./methods/loraScaling.ts";
export { miss } from "./methods/miss.ts";
export { MissConfig, type MissOptions } from "./methods/missConfig.ts";
export { oft } from "./methods/oft.ts";
export { OFTConfig, type OFTOptions } from "./methods/oftConfig.ts";
export { PrefixTuningConfig, type PrefixTuningOptions, prefixTuning } from "./methods/prefixTuning.ts";
export { PromptTuningConfig, type PromptTuningOptions, promptTuning } from "./methods/promptTuning.ts";
export { PromptEncoderConfig, type PromptEncoderOptions, pTuning } from "./methods/pTuning.ts";
export { randlora } from "./methods/randlora.ts";
export { RandLoraConfig, type RandLoraOptions } from "./methods/randloraConfig.ts";
export { registerPeftMethod } from "./methods/registry.ts";
export { vblora } from "./methods/vblora.ts";
export { VBLoRAConfig, type VBLoRAOptions } from "./methods/vbloraConfig.ts";
export { vera } from "./methods/vera.ts";
export { VeraConfig, type VeraOptions } from "./methods/veraConfig.ts";
export { getPeftModel, PeftModel } from "./peftModel.ts";
export type {
  AdaptableModel,
  AdapterFilesOptions,
  AddAdapterOptions,
  FromPretrainedOptions,
  GetPeftModelOptions,
  LoadAdapterOptions,
  MergeOptions,
  SaveOptions,
} from "./peftModelOptions.ts";
export {
  type AdapterDescription,
  type DescribeAdapterOptions,
  describeAdapter,
} from "./plan/describeAdapter.ts";
export { type Device, devices } from "./plan/devices.ts";
export type { FloatDType, Part } from "./plan/onShapes.ts";
export { type PlannedOptimizer, plannedOptimizers } from "./plan/optimizerBytes.ts";
export { type MemoryPlan, type PlanOptions, planMemory } from "./plan/planMemory.ts";
export type { BuiltModel, ModelShapes, PlannableModel } from "./plan/plannableModel.ts";
export { type AdapterReport, type InferenceOverhead, type ReportOptions, reportAdapter } from "./plan/reportAdapter.ts";
export type { Peak } from "./plan/trace.ts";
export { type PrepareOptions, prepareModelForKbitTraining } from "./prepareModelForKbitTraining.ts";
export { PromptEncoder } from "./prompt/promptEncoder.ts";
export type { SharedTensors } from "./sharedTensors.ts";
export type { TargetReport } from "./targets/matchTargets.ts";
export type { CombinationType } from "./weighted/combineLayer.ts";
export type { WeightedAdapterOptions, WeightedAdapterReport } from "./weighted/weightedOptions.ts";
