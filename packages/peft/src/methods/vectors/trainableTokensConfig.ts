import { checkOneOf, isList, refuse, setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions } from "../../config/peftConfig.ts";

/** Options of `TrainableTokensConfig`. An option that is omitted has PEFT's default. */
export interface TrainableTokensOptions extends Omit<PeftOptions, "modulesToSave" | "excludeModules"> {
  /** The ids of the tokens to train, each once. Default: none; an adapter needs at least one. */
  tokenIndices?: readonly number[];
  /**
   * The embeddings whose rows are trained: ends of paths, or a regular expression over whole paths. An output layer
   * that shares the input embedding's table is trained with it. Default: the input embedding.
   */
  targetModules?: readonly string[] | string | null;
  /** True: the tokens start with their embeddings. False: with values from N(0, 1). Default: true. */
  initWeights?: boolean;
}

/** Configuration of trainable tokens, which train the embeddings of some tokens. Throws for values out of range. */
export class TrainableTokensConfig extends PeftConfig {
  readonly tokenIndices: readonly number[] = [];
  readonly initWeights: boolean = true;

  constructor(options: TrainableTokensOptions = {}) {
    super("TRAINABLE_TOKENS", options);
    setOptions(this, options, trainableTokensFormat);
    const { tokenIndices } = this;
    if (!isList(tokenIndices, (token) => Number.isInteger(token) && (token as number) >= 0)) {
      refuse(this, "tokenIndices", tokenIndices, "a list of token ids");
    }
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
    for (const key of ["modulesToSave", "excludeModules"] as const) {
      if (this[key] !== null) refuse(this, key, this[key], "left out: PEFT's trainable tokens do not support it");
    }
  }
}

/** Rules for reading and writing the configuration of trainable tokens in adapter_config.json. */
export const trainableTokensFormat: ConfigFormat = {
  classic: ["base_model_name_or_path", "init_weights", "revision", "target_modules", "task_type", "token_indices"],
  floats: [],
  refused: {},
  ignored: {},
};
