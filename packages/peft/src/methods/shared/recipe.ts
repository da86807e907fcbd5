import type { PeftConfig } from "../../config/peftConfig.ts";

/** The settings that a recipe makes a configuration from, the same for all methods. */
export interface RecipeSettings {
  /** For methods that have a rank. */
  r: number;
  /** For methods that choose layers by name; null: PEFT's default for the model and method. */
  targetModules: string | readonly string[] | null;
  /** For methods that put some before sequences. */
  virtualTokens: number;
  /** Optimiser steps of the training, for methods that plan by them. */
  steps: number;
}

/**
 * A way of setting a method up that commands and tables have a name for; a method may have several.
 */
export interface Recipe<C extends PeftConfig = PeftConfig> {
  /** The word for it on the command line: "dora". No other method may have it. */
  readonly name: string;
  /** Its name in tables: "DoRA". */
  readonly title: string;
  /** A peak of AdamW's learning rate that suits it on small models. */
  readonly learningRate: number;
  /**
   * The peak that is usual for models of any size; `lowrank train` takes it. Default:
   * `learningRate`.
   */
  readonly usualLearningRate?: number;
  /** The linear layers of the base model are packed to NF4. */
  readonly quantized?: true;
  /** It is compared where the user names no methods. */
  readonly common?: true;
  config(settings: RecipeSettings): C;
}
