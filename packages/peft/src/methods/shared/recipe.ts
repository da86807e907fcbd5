import type { PeftConfig } from "../../config/peftConfig.ts";

/** Settings from which every recipe creates a configuration. They are the same for all methods. */
export interface RecipeSettings {
  /** The rank. Methods without a rank ignore it. */
  r: number;
  /** Names of the layers to adapt. Null: PEFT's default for the model and method. */
  targetModules: string | readonly string[] | null;
  /** The number of virtual tokens. Only prompt methods use it. */
  virtualTokens: number;
  /** The number of optimiser steps of the training. Only methods with a schedule of ranks use it. */
  steps: number;
}

/** A named preset of a method's configuration, for command-line programs and tables. A method may have several. */
export interface Recipe<C extends PeftConfig = PeftConfig> {
  /** The preset's unique name on the command line: "dora". */
  readonly name: string;
  /** The preset's name in tables: "DoRA". */
  readonly title: string;
  /** Peak learning rate of AdamW that suits small models. */
  readonly learningRate: number;
  /**
   * Peak learning rate that is usual for models of any size. `lowrank train` uses this rate unless you set another one.
   * If absent, `learningRate` is used.
   */
  readonly usualLearningRate?: number;
  /** True if the preset also quantises the base model's linear layers to NF4. */
  readonly quantized?: true;
  /** True if comparisons of methods include this preset by default. */
  readonly common?: true;
  /**
   * Flag of the option that sets the number of trained parameters, without its dashes: "n-frequency". Default: "r", or
   * "virtual-tokens" for a prompt method. `lowrank compare --budgets` chooses a value of this option.
   */
  readonly sizeOption?: string;
  config(settings: RecipeSettings): C;
}

/** The values that a command-line flag accepts. Limits are inclusive, except `above`. */
type OptionValue =
  | { readonly type: "integer"; readonly least?: number; readonly most?: number }
  | { readonly type: "number"; readonly least?: number; readonly above?: number; readonly most?: number }
  /** A flag without a value, which sets the field to true. */
  | { readonly type: "boolean" }
  /** A text. With `orBoolean`, the words "true" and "false" set the field to a boolean instead. */
  | { readonly type: "text"; readonly orBoolean?: true }
  | { readonly type: "oneOf"; readonly values: readonly (string | number | boolean)[] }
  /** Names separated by commas. */
  | { readonly type: "names" }
  /** Integers separated by commas. */
  | { readonly type: "integers"; readonly least?: number }
  /** "all-linear", names separated by commas, or a regular expression over whole paths. */
  | { readonly type: "targets" };

/** A configuration field that a command-line flag can set. */
export type MethodOption = OptionValue & {
  /** Name of the configuration field: "loraAlpha". */
  readonly field: string;
  /** The flag without its dashes: "alpha". Several methods may have the same flag if its type is the same. */
  readonly flag: string;
  /** A short description for `--help`. Accepted values and the default are added to it. */
  readonly help: string;
  /** The field's value if the flag is not given. Default: the recipe's value. */
  readonly default?: unknown;
  /** Other fields that the flag sets, unless their own flags are given: `{ loraAlpha: 16 }`. Default: none. */
  readonly implies?: Readonly<Record<string, unknown>>;
};
