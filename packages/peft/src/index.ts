export { type UnsupportedCode, UnsupportedError } from "./config/checks.ts";
export { PeftConfig, type PeftOptions, type TaskType } from "./config/peftConfig.ts";
export {
  PromptLearningConfig,
  type PromptLearningOptions,
  type ResolvedPromptConfig,
} from "./config/promptLearningConfig.ts";
export type { OnWarning, Warning, WarningCode } from "./config/warning.ts";
export type { AdapterSource } from "./files/adapterFiles.ts";
export { type ParsePeftConfigOptions, parsePeftConfig } from "./files/parsePeftConfig.ts";
export { fromLoraWeights, type LoraWeightsOptions } from "./foreign/loraWeights.ts";
export { fromMlx, toMlx } from "./foreign/mlx.ts";
export { injectAdapterInModel, rescaleAdapterScale, setRequiresGrad } from "./helpers/adapterSwitches.ts";
export { type ComposeCartridgesOptions, composeCartridgeAdapters } from "./helpers/composeCartridges.ts";
export { type ArrowModelOptions, createArrowModel } from "./helpers/createArrowModel.ts";
export { type IntruderOptions, reduceIntruderDimension } from "./helpers/intruders.ts";
export { findKappaTargetModules, type KappaLayer, type KappaOptions } from "./helpers/kappaTargets.ts";
export {
  initializeKvPrefixFromPastKeyValues,
  initializeKvPrefixFromText,
  type KvPrefixOptions,
  type PrefixTokenizer,
  promptEmbeddingsFromPastKeyValues,
} from "./helpers/kvPrefix.ts";
export { shadowModel } from "./helpers/shadowModel.ts";
export { getLayerStatus, getModelStatus, type LayerStatus, type ModelStatus } from "./helpers/status.ts";
export { xloraModel } from "./helpers/xloraModel.ts";
export { Tasks } from "./layers/tasks.ts";
export type { DenseLayer, LayerAdapter } from "./layers/tunerLayer.ts";
export type { MergeDrift } from "./merge/checkMerge.ts";
export type { LayerDifference } from "./merge/compareLayer.ts";
export type { MergeOptions, MergeReport } from "./merge/mergeOptions.ts";
export type { PackedMerge } from "./merge/packedMerge.ts";
export {
  AdaLoraConfig,
  type AdaLoraOptions,
  type AdaLoraRanks,
  AdamssConfig,
  type AdamssOptions,
  AdaptionPromptConfig,
  type AdaptionPromptOptions,
  type ArrowConfig,
  alphaOption,
  type BdLoraConfig,
  BeftConfig,
  type BeftOptions,
  BitFitConfig,
  BnConfig,
  type BnOptions,
  BOFTConfig,
  type BOFTOptions,
  biasOption,
  C3AConfig,
  type C3AInitWeights,
  type C3AOptions,
  CartridgeConfig,
  type CartridgeOptions,
  type CordaConfig,
  CPTConfig,
  type CPTOptions,
  DeftConfig,
  type DeftDecomposition,
  type DeftOptions,
  DeloraConfig,
  type DeloraOptions,
  DoubleSeqBnConfig,
  dropoutOption,
  type EvaConfig,
  FourierFTConfig,
  type FourierFTOptions,
  FrodConfig,
  type FrodOptions,
  GloraConfig,
  type GloraOptions,
  type GloraPath,
  GraloraConfig,
  type GraloraOptions,
  HiraConfig,
  type HiraOptions,
  HRAConfig,
  type HRAOptions,
  IA3Config,
  type IA3Options,
  type InitLoraWeights,
  initWeightsOption,
  type KasaConfig,
  LilyConfig,
  type LilyOptions,
  LNTuningConfig,
  type LoftQConfig,
  LoHaConfig,
  type LoHaOptions,
  LoKrConfig,
  type LoKrOptions,
  LoraConfig,
  type LoraGAConfig,
  type LoraOptions,
  lora,
  loraScaling,
  MissConfig,
  type MissOptions,
  type MontecloraConfig,
  MultitaskPromptTuningConfig,
  type MultitaskPromptTuningInit,
  type MultitaskPromptTuningOptions,
  modulesToSaveOption,
  OFTConfig,
  type OFTOptions,
  OSFConfig,
  type OSFOptions,
  ParBnConfig,
  type PeanutActivation,
  PeanutConfig,
  type PeanutOptions,
  PolyConfig,
  type PolyOptions,
  PrefixTuningConfig,
  type PrefixTuningOptions,
  PromptEncoderConfig,
  type PromptEncoderOptions,
  PromptTuningConfig,
  type PromptTuningOptions,
  PsoftConfig,
  type PsoftOptions,
  PveraConfig,
  type PveraOptions,
  peftMethods,
  RandLoraConfig,
  type RandLoraOptions,
  RoadConfig,
  type RoadOptions,
  type RoadVariant,
  rankOption,
  SeqBnConfig,
  ShadowConfig,
  type ShadowOptions,
  ShiraConfig,
  type ShiraOptions,
  SupertuningConfig,
  type SupertuningOptions,
  TinyLoraConfig,
  type TinyLoraOptions,
  TrainableTokensConfig,
  type TrainableTokensOptions,
  targetsOption,
  UniLoraConfig,
  type UniLoraOptions,
  VBLoRAConfig,
  type VBLoRAOptions,
  type VeloraConfig,
  VeraConfig,
  type VeraOptions,
  virtualTokensOption,
  WaveFTConfig,
  type WaveFTOptions,
  XLoraConfig,
  type XLoraOptions,
} from "./methods/index.ts";
export { optionsOf, recipesOf } from "./methods/offered.ts";
export { knownMethods, registeredMethods, registerPeftMethod, UnknownMethodError } from "./methods/registry.ts";
export type { XLoraModel } from "./methods/routed/xloraModel.ts";
export type { ShadowNetwork } from "./methods/shadow/shadowNetwork.ts";
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
  type SharedTensors,
} from "./methods/shared/method.ts";
export type {
  AdapterLayout,
  AnyRank,
  DataBatch,
  DataMeasurement,
  DataStart,
  Fact,
  FactorForm,
  FloatDType,
  MeasuredLayer,
  MethodFacts,
  ProductForm,
  StartSubtraction,
  Swappable,
  WeightStart,
} from "./methods/shared/methodFacts.ts";
export type { MethodOption, Recipe, RecipeSettings } from "./methods/shared/recipe.ts";
export type { AdaptableModel } from "./model/adaptedLoss.ts";
export type { OutputDifference } from "./model/compareOutputs.ts";
export { createLoraFaOptimizer, type LoraFaOptions } from "./optimizers/loraFa.ts";
export { createLoraPlusOptimizer, type LoraPlusOptions } from "./optimizers/loraPlus.ts";
export { createRiemannianOptimizer, type RiemannianOptions } from "./optimizers/riemannian.ts";
export { getPeftModel } from "./peftModel/getPeftModel.ts";
export { PeftMixedModel } from "./peftModel/peftMixedModel.ts";
export { PeftModel } from "./peftModel/peftModel.ts";
export type { AddAdapterOptions, GetPeftModelOptions } from "./peftModel/peftModelOptions.ts";
export { type AdapterDescription, type DescribeAdapterOptions, describeAdapter } from "./plan/describeAdapter.ts";
export { type DescribeModuleOptions, describeModule } from "./plan/describeModule.ts";
export { type Device, devices } from "./plan/devices.ts";
export type { BuiltModel, ModelExample, ModelShapes, Part, PlannableModel } from "./plan/onShapes.ts";
export { type MemoryPlan, planMemory } from "./plan/planMemory.ts";
export type { PlanOptions, TrainingPlan } from "./plan/planTraining.ts";
export { type AdapterReport, type InferenceOverhead, type ReportOptions, reportAdapter } from "./plan/reportAdapter.ts";
export type { Peak } from "./plan/trace.ts";
export { type PlannedOptimizer, plannedOptimizers } from "./plan/traceOptimizer.ts";
export { PromptEncoder } from "./prompt/promptEncoder.ts";
export type {
  AdapterFilesOptions,
  FromPretrainedOptions,
  LoadAdapterOptions,
  SaveOptions,
} from "./saved/savedOptions.ts";
export type { SavedReport } from "./saved/verifySaved.ts";
export { type PrepareOptions, prepareModelForKbitTraining } from "./starts/prepareModelForKbitTraining.ts";
export { type CordaOptions, preprocessCorda } from "./starts/preprocessCorda.ts";
export { preprocessLoraGa } from "./starts/preprocessLoraGa.ts";
export { initializeLoraEvaWeights, startFromData } from "./starts/startFromData.ts";
export type { TargetReport } from "./targets/matchTargets.ts";
export { loraOfUpdates } from "./updates/loraOfUpdates.ts";
export { describeSpectrum, rankOfEnergy, type Spectrum } from "./updates/spectrum.ts";
export {
  adapterUpdates,
  approximateUpdate,
  type LowRankUpdate,
  type MatrixUpdate,
  modelUpdates,
  updateValues,
} from "./updates/updates.ts";
export type { CombinationType } from "./weighted/combineLayer.ts";
export type { HostFactors, Matrix } from "./weighted/productFactors.ts";
export type { WeightedAdapterOptions, WeightedAdapterReport } from "./weighted/weightedOptions.ts";
