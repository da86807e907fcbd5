import type { ArchitectureConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ClassifierHead } from "../config/classifierHead.ts";
import type { JsonFields } from "../config/jsonFields.ts";
import type { GgufForm } from "../gguf/ggufForm.ts";
import type { CausalLM } from "./causalLM.ts";
import type { ParameterSource } from "./parameters.ts";
import type { SequenceClassifier } from "./sequenceClassifier.ts";
import type { TokenClassifier } from "./tokenClassifier.ts";
import type { DefaultTargets, StackModel, TransformerModel } from "./transformerModel.ts";

/** A head that an architecture supports, and how to build a model with it. */
export interface ArchitectureHead<C, M extends TransformerModel> {
  /** Name of the class in transformers, as in `architectures` of a config.json. */
  readonly className: string;
  /** The name of the head's module, such as "lm_head". */
  readonly module: string;
  /** Builds the base model (the stack) with this head. */
  create(config: C, source: ParameterSource): M;
}

/** The heads that an architecture supports. */
export interface ArchitectureHeads<C extends ArchitectureConfig> {
  /** Head that predicts the next token. Its config has the fields of `ModelConfig`. */
  readonly causalLM?: ArchitectureHead<C & ModelConfig, CausalLM>;
  /** Head that classifies sequences. Its config has the fields of `ClassifierHead`, such as the labels. */
  readonly sequenceClassification?: ArchitectureHead<C & ClassifierHead, SequenceClassifier>;
  /** Head that classifies tokens. Its config has the fields of `ClassifierHead`, such as the labels. */
  readonly tokenClassification?: ArchitectureHead<C & ClassifierHead, TokenClassifier>;
}

/**
 * A model family: how to read its config, build its models and store them. Loading, saving, GGUF conversion, presets,
 * reports and memory plans all use this description.
 */
export interface Architecture<C extends ArchitectureConfig = ArchitectureConfig> {
  /** Hugging Face's `model_type`. */
  readonly modelType: string;
  /** Reads a `config.json`, except the labels of a classifier. Missing keys take the defaults of transformers. */
  readConfig(fields: JsonFields): C;
  /** Returns the keys of a `config.json`, except `architectures`, labels and dtype. */
  writeConfig(config: C): Record<string, unknown>;
  /**
   * Builds the base model without a head, as transformers' AutoModel does. Defined only by architectures that are used
   * without a head.
   */
  create?(config: C, source: ParameterSource): StackModel;
  readonly heads: ArchitectureHeads<C>;
  /**
   * Name of the base model's module inside a model with a head. Checkpoints of the base model alone omit this prefix.
   */
  readonly stack: string;
  /**
   * Returns the model's parameter name for a name in a checkpoint; null for a tensor that the model does not use or can
   * compute from the config. Default: the same name.
   */
  sanitize?(name: string, config: C): string | null;
  /**
   * Loads the conversion to and from GGUF by `import()`, so that web pages that read no GGUF file do not download it.
   * Omitted if llama.cpp does not support the architecture.
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
 * Returns its argument, with the type checked. Each architecture's model.ts ends with this call. To add a built-in
 * architecture, also add a line to `architectures.ts` and one to `architectureLoaders.ts`.
 */
export function defineArchitecture<C extends ArchitectureConfig>(architecture: Architecture<C>): Architecture<C> {
  return architecture;
}
