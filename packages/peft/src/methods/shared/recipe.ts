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
   * Peak learning rate that is usual for models of any size. `lowrank train` uses it by default. Default:
   * `learningRate`.
   */
  readonly usualLearningRate?: number;
  /** True if the preset also quantises the base model's linear layers to NF4. */
  readonly quantized?: true;
  /** True if comparisons of methods include this preset by default. */
  readonly common?: true;
  config(settings: RecipeSettings): C;
}
