export { BatchSampler, type BatchSamplerOptions, type EpochShuffler, type SamplerState } from "./batchSampler.ts";
export { answerChoices, type ChoiceAnswer, type ChoiceQuestion } from "./benchmarks/answerChoices.ts";
export { type AnswerSettings, answerPrompts } from "./benchmarks/answerPrompts.ts";
export { type Gsm8kProblem, gsm8kNumber, gsm8kPrompt, gsm8kStops } from "./benchmarks/gsm8k.ts";
export { measurePerplexity, type Perplexity, type PerplexitySettings } from "./benchmarks/measurePerplexity.ts";
export { type BlocksOptions, blocks } from "./blocks.ts";
export type { Checkpointing, ResumeOptions } from "./checkpoint.ts";
export { type Batch, collate } from "./collate.ts";
export { type AnyExample, collateAny } from "./collateAny.ts";
export { collateSequences, type LabelledSequence, type SequenceBatch } from "./collateSequences.ts";
export type { Dataset, Examples } from "./datasets/dataset.ts";
export { concatenateDatasets, packDataset, takeExamples } from "./datasets/datasetViews.ts";
export {
  type ChatExample,
  type CompletionExample,
  type Example,
  type TextExample,
  toExample,
} from "./datasets/example.ts";
export { type LoadDatasetOptions, loadDataset, readRecords } from "./datasets/loadDataset.ts";
export { type DatasetFormat, type ParsedRecord, type ReadDatasetOptions, readDataset } from "./datasets/readDataset.ts";
export { exampleForm, exampleReader, type RecordForm, type RecordReader } from "./datasets/recordReader.ts";
export { type StreamBlocksOptions, streamBlocks } from "./datasets/streamBlocks.ts";
export {
  type IndexDatasetOptions,
  indexDataset,
  type StreamDatasetOptions,
  type StreamedDataset,
  streamDataset,
} from "./datasets/streamDataset.ts";
export { type EmbedOptions, embed } from "./embeddings/embed.ts";
export { type ContrastEvaluation, evaluateContrast } from "./embeddings/evaluateContrast.ts";
export { type EmbeddingModel, meanPooling } from "./embeddings/meanPooling.ts";
export {
  type ContrastExample,
  type MultipleNegativesRankingOptions,
  multipleNegativesRanking,
} from "./embeddings/multipleNegativesRanking.ts";
export { type EvaluateOptions, type Evaluation, evaluate } from "./evaluate.ts";
export {
  type FindLearningRateOptions,
  findLearningRate,
  type LearningRateSearch,
  type LearningRateTrial,
  type RateRange,
} from "./findLearningRate.ts";
export type { RunDifference } from "./fingerprint.ts";
export { ignoreIndex } from "./ignoreIndex.ts";
export type { LanguageModel } from "./languageModel.ts";
export type { EvalPrediction, MetricName, MetricOptions } from "./metrics/metricOptions.ts";
export { type TrainableModel, type TrainableModule, toInputs } from "./modelBatch.ts";
export type { OwnTask } from "./ownTask.ts";
export { type PackedExample, type PackOptions, packExamples } from "./packExamples.ts";
export type { PaddingOptions } from "./paddingOptions.ts";
export type { CollateOptions, Rows } from "./padRows.ts";
export { type DistillationOptions, distillation } from "./preference/distillation.ts";
export { type DPOOptions, dpo } from "./preference/dpo.ts";
export {
  type EvaluatePreferencesOptions,
  evaluatePreferences,
  type PreferenceEvaluation,
} from "./preference/evaluatePreferences.ts";
export { type EvaluateRewardsOptions, evaluateRewards, type RewardEvaluation } from "./preference/evaluateRewards.ts";
export { type KTOExample, type KTOOptions, kto } from "./preference/kto.ts";
export { type ORPOOptions, orpo } from "./preference/orpo.ts";
export type { PreferenceExample } from "./preference/preferenceBatch.ts";
export { type RewardExample, type RewardModel, type RewardOptions, reward } from "./preference/rewardModel.ts";
export { type PreferenceText, tokenizePreference } from "./preference/tokenizePreference.ts";
export { describeDifference, ResumeError } from "./resumeError.ts";
export { type ExampleTokenizer, type TokenizedExample, tokenizeExample } from "./tokenize.ts";
export { type TaggedWords, type TagTokenizer, tokenizeTags } from "./tokenizeTags.ts";
export { Trainer, trainingSteps } from "./trainer.ts";
export type {
  BestEvaluation,
  EvaluationSettings,
  Measures,
  OptimizerName,
  OwnTrainerOptions,
  RateSetting,
  StepReport,
  TrainerOptions,
  TrainingResult,
  TrainingSettings,
} from "./trainerOptions.ts";
export { getLastCheckpoint, isWholeCheckpoint } from "./wholeCheckpoint.ts";
