import type { MethodOption } from "./recipe.ts";

/** Returns the command-line flag `--r`, which sets the configuration field `field`. */
export function rankOption(field = "r"): MethodOption {
  return { field, flag: "r", type: "integer", least: 1, help: "rank of the adapter" };
}

/** Returns the command-line flag `--alpha`, which sets the configuration field `field`. */
export function alphaOption(field: string): MethodOption {
  return { field, flag: "alpha", type: "number", above: 0, help: "the update is scaled by alpha / r" };
}

/** Returns the command-line flag `--dropout`, which sets the configuration field `field`. */
export function dropoutOption(field: string): MethodOption {
  return { field, flag: "dropout", type: "number", least: 0, most: 1, help: "dropout probability during training" };
}

/** Returns the command-line flag `--init-weights`. `values` are the values that the configuration field accepts. */
export function initWeightsOption(values: readonly (string | boolean)[] = [true, false]): MethodOption {
  return { field: "initWeights", flag: "init-weights", type: "oneOf", values, help: "how the adapter starts" };
}

/** The command-line flag `--target-modules`. */
export const targetsOption: MethodOption = {
  field: "targetModules",
  flag: "target-modules",
  type: "targets",
  help: "all-linear, names such as q_proj,v_proj, or a regular expression over whole paths",
};

/** The command-line flag `--modules-to-save`. */
export const modulesToSaveOption: MethodOption = {
  field: "modulesToSave",
  flag: "modules-to-save",
  type: "names",
  help: "modules to train and save in full, such as lm_head",
};

/** The command-line flag `--bias`. */
export const biasOption: MethodOption = {
  field: "bias",
  flag: "bias",
  type: "text",
  help: "biases to train: none, all, or lora_only for adapted layers",
};

/** The command-line flag `--virtual-tokens`. */
export const virtualTokensOption: MethodOption = {
  field: "numVirtualTokens",
  flag: "virtual-tokens",
  type: "integer",
  least: 1,
  help: "tokens that are put before sequences",
};

/** Returns the command-line flag `--init-lora-weights`. `values` is the list of accepted values for the help text. */
export function initLoraWeightsOption(values: string): MethodOption {
  return {
    field: "initLoraWeights",
    flag: "init-lora-weights",
    type: "text",
    orBoolean: true,
    help: `how LoRA starts: ${values}`,
  };
}

/** The command-line flag `--encoder-hidden-size`. */
export const encoderHiddenSizeOption: MethodOption = {
  field: "encoderHiddenSize",
  flag: "encoder-hidden-size",
  type: "integer",
  least: 1,
  help: "width inside of what makes the rows",
};

/** The command-line flag `--rank-dropout`. */
export const rankDropoutOption: MethodOption = {
  field: "rankDropout",
  flag: "rank-dropout",
  type: "number",
  least: 0,
  most: 1,
  help: "share of the outputs that is set to 0 during training",
};
