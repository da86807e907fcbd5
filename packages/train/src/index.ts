export {
  type CartridgeDistillation,
  type DistillCartridgeOptions,
  distillCartridge,
} from "./cartridges/distillCartridge.ts";
export type { ResumeOptions } from "./checkpoint/checkpoint.ts";
export type { RunDifference } from "./checkpoint/fingerprint.ts";
export { ResumeError } from "./checkpoint/resumeError.ts";
export { getLastCheckpoint } from "./checkpoint/wholeCheckpoint.ts";
export { type Batch, collate } from "./data/batches/collate.ts";
export type { AnyExample } from "./data/batches/collateAny.ts";
export { collateSequences, type LabelledSequence, type SequenceBatch } from "./data/batches/collateSequences.ts";
export type { PaddingOptions, TrainableModel, TrainableModule } from "./data/batches/modelBatch.ts";
export { BatchSampler, type BatchSamplerOptions, type EpochShuffler, type SamplerState } from "./data/batchSampler.ts";
export type { Dataset, Examples } from "./data/dataset.ts";
export {
  type BlocksOptions,
  blocks,
  type PackedExample,
  type PackOptions,
  packExamples,
} from "./data/packing/packExamples.ts";
export type { CollateOptions, Rows } from "./data/padRows.ts";
export {
  type ChatExample,
  type CompletionExample,
  type Example,
  type TextExample,
  toExample,
} from "./data/tokens/example.ts";
export { ignoreIndex } from "./data/tokens/ignoreIndex.ts";
export {
  type ExampleTokenizer,
  type TaggedWords,
  type TagTokenizer,
  type TokenizedExample,
  tokenizeExample,
  tokenizeTags,
} from "./data/tokens/tokenize.ts";
export { concatenateDatasets, packDataset, takeExamples } from "./datasets/datasetViews.ts";
export { type LoadDatasetOptions, loadDataset, readRecords } from "./datasets/loadDataset.ts";
export { type DatasetFormat, type ParsedRecord, type ReadDatasetOptions, readDataset } from "./datasets/readDataset.ts";
export { type StreamBlocksOptions, streamBlocks } from "./datasets/streamBlocks.ts";
export {
  type IndexDatasetOptions,
  indexDataset,
  type StreamDatasetOptions,
  type StreamedDataset,
  streamDataset,
} from "./datasets/streamDataset.ts";
export { answerChoices, type ChoiceAnswer, type ChoiceQuestion } from "./evaluation/benchmarks/answerChoices.ts";
export { type AnswerSettings, answerPrompts } from "./evaluation/benchmarks/answerPrompts.ts";
export { type Gsm8kProblem, gsm8kNumber, gsm8kPrompt, gsm8kStops } from "./evaluation/benchmarks/gsm8k.ts";
export {
  measurePerplexity,
  type Perplexity,
  type PerplexitySettings,
} from "./evaluation/benchmarks/measurePerplexity.ts";
export { type EvaluateOptions, type Evaluation, evaluate } from "./evaluation/evaluate.ts";
export type { EvalPrediction, MetricName, MetricOptions } from "./evaluation/metrics/metricOptions.ts";
export type {
  BestEvaluation,
  Checkpointing,
  EvaluationSettings,
  Measures,
  OptimizerName,
  OwnTrainerOptions,
  RateSetting,
  StepReport,
  TrainerOptions,
  TrainingResult,
  TrainingSettings,
} from "./options/trainerOptions.ts";
export { type EmbeddingModel, type EmbedOptions, embed, meanPooling } from "./tasks/embeddings/embed.ts";
export { type ContrastEvaluation, evaluateContrast } from "./tasks/embeddings/evaluateContrast.ts";
export {
  type ContrastExample,
  type MultipleNegativesRankingOptions,
  multipleNegativesRanking,
} from "./tasks/embeddings/multipleNegativesRanking.ts";
export type { LanguageModel } from "./tasks/languageModel.ts";
export type { OwnTask } from "./tasks/ownTask.ts";
export { type DistillationOptions, distillation } from "./tasks/preference/distillation.ts";
export { type DPOOptions, dpo } from "./tasks/preference/dpo.ts";
export {
  type EvaluatePreferencesOptions,
  evaluatePreferences,
  type PreferenceEvaluation,
} from "./tasks/preference/evaluatePreferences.ts";
export { type KTOExample, type KTOOptions, kto } from "./tasks/preference/kto.ts";
export { type ORPOOptions, orpo } from "./tasks/preference/orpo.ts";
export { type PreferenceExample, type PreferenceText, tokenizePreference } from "./tasks/preference/preferenceBatch.ts";
export {
  type EvaluateRewardsOptions,
  evaluateRewards,
  type RewardEvaluation,
  type RewardExample,
  type RewardModel,
  type RewardOptions,
  reward,
} from "./tasks/preference/rewardModel.ts";
export {
  type FindLearningRateOptions,
  findLearningRate,
  type LearningRateSearch,
  type LearningRateTrial,
  type RateRange,
} from "./trainer/findLearningRate.ts";
export { Trainer, trainingSteps } from "./trainer/trainer.ts";
