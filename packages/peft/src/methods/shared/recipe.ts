import type { PeftConfig } from "../../config/peftConfig.ts";

/** Settings from which a recipe makes a configuration; the same for all methods. */
export interface RecipeSettings {
  /** The rank, for methods that have one. */
  r: number;
  /** The layers to adapt, for methods that choose them by name. Null: PEFT's default for the model and method. */
  targetModules: string | readonly string[] | null;
  /** The number of virtual tokens, for prompt methods. */
  virtualTokens: number;
  /** Optimiser steps of the training, for methods whose schedule depends on them. */
  steps: number;
}

/** A named preset of a method, for commands and tables. A method may have several. */
export interface Recipe<C extends PeftConfig = PeftConfig> {
  /** Unique name on the command line: "dora". */
  readonly name: string;
  /** Name in tables: "DoRA". */
  readonly title: string;
  /** A suitable peak learning rate of AdamW for small models. */
  readonly learningRate: number;
  /** The usual peak learning rate for models of any size, which `lowrank train` uses. Default: `learningRate`. */
  readonly usualLearningRate?: number;
  /** True if the linear layers of the base model are quantised to NF4. */
  readonly quantized?: true;
  /** True if comparisons include it when the user names no methods. */
  readonly common?: true;
  config(settings: RecipeSettings): C;
}
