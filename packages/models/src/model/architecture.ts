import type { ArchitectureConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ClassifierHead } from "../config/classifierHead.ts";
import type { JsonFields } from "../config/jsonFields.ts";
import type { GgufForm } from "../gguf/ggufForm.ts";
import type { CausalLM } from "./causalLM.ts";
import type { ParameterSource } from "./parameters.ts";
import type { SequenceClassifier } from "./sequenceClassifier.ts";
import type { TokenClassifier } from "./tokenClassifier.ts";
import type { DefaultTargets, StackModel, TransformerModel } from "./transformerModel.ts";

/** One kind of head that an architecture's stack can have. */
export interface ArchitectureHead<C, M extends TransformerModel> {
  /** The name of transformers' class, as `architectures` of a config.json has it. */
  readonly className: string;
  /** The name of the module beside the stack: "lm_head". */
  readonly module: string;
  /** Builds the stack with this head. */
  create(config: C, source: ParameterSource): M;
}

/** The heads that an architecture's stack can have. */
export interface ArchitectureHeads<C extends ArchitectureConfig> {
  /** Predicts the next token. Its config has the fields of `ModelConfig`. */
  readonly causalLM?: ArchitectureHead<C & ModelConfig, CausalLM>;
  /** Classifies sequences. Its config has the labels too. */
  readonly sequenceClassification?: ArchitectureHead<C & ClassifierHead, SequenceClassifier>;
  /** Classifies tokens. Its config has the labels too. */
  readonly tokenClassification?: ArchitectureHead<C & ClassifierHead, TokenClassifier>;
}

/**
 * A model family: all that loading, saving, GGUF files, presets, reports and
 * plans need to know of it.
 */
export interface Architecture<C extends ArchitectureConfig = ArchitectureConfig> {
  /** Hugging Face's `model_type`. */
  readonly modelType: string;
  /**
   * Reads a `config.json`, but for a classifier's labels; missing keys take the
   * defaults of transformers.
   */
  readConfig(fields: JsonFields): C;
  /** Gives the keys of a `config.json`, but for `architectures`, labels and dtype. */
  writeConfig(config: C): Record<string, unknown>;
  /**
   * Builds the stack without a head, as transformers' AutoModel does. Absent: it has no use here.
   */
  create?(config: C, source: ParameterSource): StackModel;
  readonly heads: ArchitectureHeads<C>;
  /** The name of the stack in a model with a head; checkpoints of the stack alone leave it out. */
  readonly stack: string;
  /**
   * Gives the model's name for a checkpoint's tensor; null for one that follows from the
   * config, or that the model has no use for. Default: its own.
   */
  sanitize?(name: string, config: C): string | null;
  /**
   * Loads the model's form in a GGUF file, by `import()`: pages that read no such file carry none.
   * Absent: llama.cpp does not know the model.
   */
  gguf?(): Promise<GgufForm<C & ModelConfig>>;
  /**
   * Names of the layers that adapters sit on where neither their configuration nor
   * PEFT's own table names any.
   */
  readonly defaultTargets: DefaultTargets;
  /**
   * Published models by name, as their `config.json` without `model_type`; missing keys
   * take transformers' defaults.
   */
  readonly presets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * Names an architecture. Its file ends in this call; a line of
 * `architectures.ts` and one of `architectureLoaders.ts` make it known.
 */
export function defineArchitecture<C extends ArchitectureConfig>(architecture: Architecture<C>): Architecture<C> {
  return architecture;
}
