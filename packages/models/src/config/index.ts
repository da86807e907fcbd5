export type { RopeScaling } from "../rope/ropeKinds.ts";
export type { Activation } from "./activation.ts";
export type { ArchitectureConfig, ClassifierConfig, ModelConfig, TokenClassifierConfig } from "./architectureConfig.ts";
export type { BertConfig } from "./bertConfig.ts";
export type { ClassifierHead, ProblemType } from "./classifierHead.ts";
export { type GenerationConfig, parseGenerationConfig } from "./generationConfig.ts";
export type { GPT2Config } from "./gpt2Config.ts";
export { JsonFields } from "./jsonFields.ts";
export type { LlamaConfig } from "./llamaConfig.ts";
export {
  parseClassifierConfig,
  parseModelConfig,
  parseTokenClassifierConfig,
  toHfConfig,
} from "./modelConfig.ts";
export { presetConfig, presetJson, presetNames, stackPresetNames } from "./presets.ts";
export { readGenerationConfig } from "./readGenerationConfig.ts";
export { readClassifierConfig, readModelConfig } from "./readModelConfig.ts";
export type { RopeConfig } from "./ropeConfig.ts";
