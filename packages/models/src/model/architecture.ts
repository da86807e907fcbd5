import type { ArchitectureConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ClassifierHead } from "../config/classifierHead.ts";
import type { JsonFields } from "../config/jsonFields.ts";
import type { GgufForm } from "../gguf/ggufForm.ts";
import type { CausalLM } from "./causalLM.ts";
import type { ParameterSource } from "./parameters.ts";
import type { SequenceClassifier } from "./sequenceClassifier.ts";
import type { TokenClassifier } from "./tokenClassifier.ts";
import type { DefaultTargets, StackModel, TransformerModel } from "./transformerModel.ts";

/** One kind of head of an architecture. */
export interface ArchitectureHead<C, M extends TransformerModel> {
  /** The name of transformers' class, as in `architectures` of a config.json. */
  readonly className: string;
  /** The name of the head's module, such as "lm_head". */
  readonly module: string;
  /** Builds the stack with this head. */
  create(config: C, source: ParameterSource): M;
}

/** The heads that an architecture supports. */
export interface ArchitectureHeads<C extends ArchitectureConfig> {
  /** Predicts the next token. Its config has the fields of `ModelConfig`. */
  readonly causalLM?: ArchitectureHead<C & ModelConfig, CausalLM>;
  /** Classifies sequences. Its config also has the labels. */
  readonly sequenceClassification?: ArchitectureHead<C & ClassifierHead, SequenceClassifier>;
  /** Classifies tokens. Its config also has the labels. */
  readonly tokenClassification?: ArchitectureHead<C & ClassifierHead, TokenClassifier>;
}

/** A model family. Loading, saving, GGUF conversion, presets, reports and memory plans all use this description. */
export interface Architecture<C extends ArchitectureConfig = ArchitectureConfig> {
  /** Hugging Face's `model_type`. */
  readonly modelType: string;
  /** Reads a `config.json`, without the labels of a classifier. Missing keys take the defaults of transformers. */
  readConfig(fields: JsonFields): C;
  /** Returns the keys of a `config.json`, without `architectures`, labels and dtype. */
  writeConfig(config: C): Record<string, unknown>;
  /**
   * Builds the stack without a head, as transformers' AutoModel does. Optional: only architectures that are used
   * without a head define it.
   */
  create?(config: C, source: ParameterSource): StackModel;
  readonly heads: ArchitectureHeads<C>;
  /** The name of the stack's module in a model with a head. Checkpoints of the stack alone omit this prefix. */
  readonly stack: string;
  /**
   * Returns the model's parameter name for a checkpoint tensor. Returns null for a tensor that follows from the config
   * or that the model does not use. Default: the name unchanged.
   */
  sanitize?(name: string, config: C): string | null;
  /**
   * Loads the GGUF form of the model by `import()`, so that web pages that read no GGUF file do not download it.
   * Omitted if llama.cpp does not support the model.
   */
  gguf?(): Promise<GgufForm<C & ModelConfig>>;
  /** The default target layers of adapters, used if neither the adapter's config nor PEFT's own table names targets. */
  readonly defaultTargets: DefaultTargets;
  /**
   * `config.json` objects of published models by name, without `model_type`. Missing keys take the defaults of
   * transformers.
   */
  readonly presets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * Defines an architecture; the last statement of each model file. To register a built-in architecture, add a line to
 * `architectures.ts` and one to `architectureLoaders.ts`.
 */
export function defineArchitecture<C extends ArchitectureConfig>(architecture: Architecture<C>): Architecture<C> {
  return architecture;
}
