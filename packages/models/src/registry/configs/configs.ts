export type { BertConfig } from "../../architectures/bert/config.ts";
export type { GPT2Config } from "../../architectures/gpt2/config.ts";
export type { LlamaConfig } from "../../architectures/llama/config.ts";
export type {
  Activation,
  ArchitectureConfig,
  ClassifierConfig,
  ModelConfig,
  TokenClassifierConfig,
} from "../../config/architectureConfig.ts";
export type { ClassifierHead, ProblemType } from "../../config/classifierHead.ts";
export { type GenerationConfig, parseGenerationConfig } from "../../config/generationConfig.ts";
export { JsonFields } from "../../config/jsonFields.ts";
export { readGenerationConfig } from "../../config/readGenerationConfig.ts";
export type { RopeScaling } from "../../rope/rope/ropeKinds.ts";
export type { RopeConfig } from "../../rope/ropeConfig.ts";
export {
  parseClassifierConfig,
  parseModelConfig,
  parseTokenClassifierConfig,
  toHfConfig,
} from "./modelConfig.ts";
export { presetConfig, presetJson, presetNames, stackPresetNames } from "./presets.ts";
export { readClassifierConfig, readModelConfig } from "./readModelConfig.ts";
