export type { Activation } from "./activation.ts";
export type { BertConfig } from "./bertConfig.ts";
export {
  type ClassifierConfig,
  type GPT2ClassifierConfig,
  parseClassifierConfig,
  readClassifierConfig,
} from "./classifierConfig.ts";
export type { ClassifierHead, ProblemType } from "./classifierHead.ts";
export { type GenerationConfig, parseGenerationConfig, readGenerationConfig } from "./generationConfig.ts";
export type { GPT2Config } from "./gpt2Config.ts";
export type { LlamaConfig } from "./llamaConfig.ts";
export { type ModelConfig, parseModelConfig, readModelConfig, toHfConfig } from "./modelConfig.ts";
export { presetConfig, presetNames } from "./presets.ts";
export type { LinearRopeScaling, Llama3RopeScaling, RopeConfig } from "./ropeConfig.ts";
