export { BertForSequenceClassification, BertForTokenClassification } from "./architectures/bert/model.ts";
export { GPT2ForSequenceClassification, GPT2LMHeadModel } from "./architectures/gpt2/model.ts";
export { LlamaForCausalLM, LlamaForSequenceClassification } from "./architectures/llama/model.ts";
export { RobertaForSequenceClassification, RobertaForTokenClassification } from "./architectures/roberta/model.ts";
export { fromGguf } from "./checkpoint/gguf/fromGguf.ts";
export { type GgufFile, type GgufTensorPlace, openGguf } from "./checkpoint/gguf/openGguf.ts";
export {
  type GgufConversion,
  type GgufDType,
  ggufDTypes,
  type ToGgufOptions,
  toGguf,
} from "./checkpoint/gguf/toGguf.ts";
export {
  type Encoder,
  type LoadClassifierOptions,
  type LoadedClassifier,
  type LoadedEncoder,
  type LoadedTokenClassifier,
  loadEncoder,
  loadSequenceClassifier,
  loadTokenClassifier,
  type NewHead,
} from "./checkpoint/loadEncoder.ts";
export { type LoadedModel, type LoadModelOptions, loadModel } from "./checkpoint/loadModel.ts";
export type { ModelSource, WeightOptions } from "./checkpoint/openModel.ts";
export { openSafetensorsFolder } from "./checkpoint/openWeights.ts";
export type { QuantizationConfig } from "./checkpoint/quantization/quantizationConfig.ts";
export { readQuantizationConfig } from "./checkpoint/quantization/readQuantizationConfig.ts";
export { type SaveModelOptions, saveModel } from "./checkpoint/saveModel.ts";
export { loadSafetensors, type SafetensorsSource, saveSafetensors, toSafetensors } from "./checkpoint/stateFile.ts";
export { generate } from "./generation/decoding/generate.ts";
export type { GenerativeModel } from "./generation/decoding/steps.ts";
export type { BanOptions } from "./generation/settings/bans.ts";
export type { PenaltyOptions } from "./generation/settings/penalties.ts";
export type { LogitsProcessor } from "./generation/settings/processing.ts";
export { PromptCache } from "./generation/settings/promptCache.ts";
export type { BeamOptions, GenerateOptions } from "./generation/settings/settings.ts";
export type { StopOptions } from "./generation/settings/stops.ts";
export { type GenerateTextOptions, generateText, streamText } from "./generation/text/generateText.ts";
export { chatEnds, type StreamTextOptions } from "./generation/text/textPieces.ts";
export type { TextPrompt } from "./generation/text/textPrompt.ts";
export type { GgufForm, GgufParts, TensorLayout } from "./gguf/ggufForm.ts";
export type { GgufHeader, GgufMetadataValue, GgufTensorInfo } from "./gguf/readGguf.ts";
export { type GgufContents, type GgufTensor, type GgufValue, writeGguf } from "./gguf/writeGguf.ts";
export {
  type Architecture,
  type ArchitectureHead,
  type ArchitectureHeads,
  defineArchitecture,
} from "./model/architecture.ts";
export { CausalLM, type LabelledInputs, type ModelInputs, type ModelOutput } from "./model/causalLM.ts";
export { type Init, type ParameterSource, randomParameters } from "./model/parameters.ts";
export {
  type ClassifierInputs,
  type ClassifierOutput,
  type LabelledSequences,
  SequenceClassifier,
} from "./model/sequenceClassifier.ts";
export { TokenClassifier } from "./model/tokenClassifier.ts";
export type { DefaultTargets, StackModel } from "./model/transformerModel.ts";
export type { ModelOf } from "./registry/build/buildModel.ts";
export {
  createModel,
  type DescribeConfigOptions,
  describeConfig,
  describeModel,
} from "./registry/build/createModel.ts";
export type { LayerDescription, ModelDescription, StackDescription } from "./registry/build/describeBuilt.ts";
export {
  type Activation,
  type ArchitectureConfig,
  type BertConfig,
  type ClassifierConfig,
  type ClassifierHead,
  type GenerationConfig,
  type GPT2Config,
  JsonFields,
  type LlamaConfig,
  type ModelConfig,
  type ProblemType,
  parseClassifierConfig,
  parseGenerationConfig,
  parseModelConfig,
  parseTokenClassifierConfig,
  presetConfig,
  presetNames,
  type RopeConfig,
  type RopeScaling,
  readClassifierConfig,
  readGenerationConfig,
  readModelConfig,
  type TokenClassifierConfig,
  toHfConfig,
} from "./registry/configs/configs.ts";
export { registerArchitecture } from "./registry/registerArchitecture.ts";
export { architectures } from "./registry/registry.ts";
export type { ChatMessage, ChatTemplateOptions } from "./tokenizer/chatTemplate.ts";
export type { DecodeOptions } from "./tokenizer/decodeOptions.ts";
export { StreamDecoder, type StreamDecoderOptions } from "./tokenizer/streamDecoder.ts";
export { Tokenizer, type TokenizerParts } from "./tokenizer/tokenizer.ts";
