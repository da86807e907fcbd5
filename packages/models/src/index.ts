export {
  type Architecture,
  type ArchitectureHead,
  type ArchitectureHeads,
  defineArchitecture,
} from "./architecture.ts";
export { BertForSequenceClassification, BertForTokenClassification } from "./bert.ts";
export type { ModelOf } from "./buildModel.ts";
export { CausalLM, type LabelledInputs, type ModelInputs, type ModelOutput } from "./causalLM.ts";
export { chatEnds } from "./chatEnds.ts";
export * from "./config/index.ts";
export { createModel } from "./createModel.ts";
export type { LayerDescription, ModelDescription, StackDescription } from "./describeBuilt.ts";
export { classifiesSequences, type DescribeConfigOptions, describeConfig } from "./describeConfig.ts";
export { describeModel } from "./describeModel.ts";
export { generate } from "./generate.ts";
export { type GenerateTextOptions, generateText } from "./generateText.ts";
export type { BanOptions } from "./generation/bans.ts";
export type { PenaltyOptions } from "./generation/penalties.ts";
export type { LogitsProcessor } from "./generation/processing.ts";
export { PromptCache } from "./generation/promptCache.ts";
export type { BeamOptions, GenerateOptions } from "./generation/settings.ts";
export type { GenerativeModel } from "./generation/steps.ts";
export type { StopOptions } from "./generation/stops.ts";
export type { StreamTextOptions } from "./generation/textPieces.ts";
export type { TextPrompt } from "./generation/textPrompt.ts";
export { fromGguf } from "./gguf/fromGguf.ts";
export type { GgufForm, GgufParts, TensorLayout } from "./gguf/ggufForm.ts";
export { type GgufFile, type GgufTensorPlace, openGguf } from "./gguf/openGguf.ts";
export type { GgufHeader, GgufMetadataValue, GgufTensorInfo } from "./gguf/readGguf.ts";
export { type GgufConversion, type GgufDType, ggufDTypes, type ToGgufOptions, toGguf } from "./gguf/toGguf.ts";
export { type GgufContents, type GgufTensor, type GgufValue, writeGguf } from "./gguf/writeGguf.ts";
export { GPT2ForSequenceClassification, GPT2LMHeadModel } from "./gpt2.ts";
export { LlamaForCausalLM, LlamaForSequenceClassification } from "./llama.ts";
export type { LoadClassifierOptions, LoadedClassifier, NewHead } from "./loadClassifier.ts";
export { type Encoder, type LoadedEncoder, loadEncoder } from "./loadEncoder.ts";
export { type LoadedModel, type LoadModelOptions, loadModel } from "./loadModel.ts";
export { loadSequenceClassifier } from "./loadSequenceClassifier.ts";
export { type LoadedTokenClassifier, loadTokenClassifier } from "./loadTokenClassifier.ts";
export type { ModelSource, WeightOptions } from "./openModel.ts";
export { openSafetensorsFolder } from "./openWeights.ts";
export { type Init, type ParameterSource, randomParameters } from "./parameters.ts";
export type { QuantizationConfig } from "./quantization/quantizationConfig.ts";
export { readQuantizationConfig } from "./quantization/readQuantizationConfig.ts";
export { type RaggedBatch, raggedHidden } from "./raggedHidden.ts";
export { registerArchitecture } from "./registerArchitecture.ts";
export { architectures } from "./registry.ts";
export { RobertaForSequenceClassification, RobertaForTokenClassification } from "./roberta.ts";
export { modelFileContents, type SaveModelOptions, saveModel, torchNames } from "./saveModel.ts";
export {
  type ClassifierInputs,
  type ClassifierOutput,
  type LabelledSequences,
  SequenceClassifier,
} from "./sequenceClassifier.ts";
export { loadSafetensors, type SafetensorsSource, saveSafetensors, toSafetensors } from "./stateFile.ts";
export { streamText } from "./streamText.ts";
export { TokenClassifier } from "./tokenClassifier.ts";
export type { ChatMessage, ChatTemplateOptions } from "./tokenizer/chatTemplate.ts";
export type { DecodeOptions } from "./tokenizer/decodeOptions.ts";
export { StreamDecoder, type StreamDecoderOptions } from "./tokenizer/streamDecoder.ts";
export { Tokenizer, type TokenizerParts } from "./tokenizer/tokenizer.ts";
export type { DefaultTargets, StackModel } from "./transformerModel.ts";
