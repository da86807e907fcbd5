import type { AdapterCase } from "./adapterCase.ts";
import type { Batch } from "./batch.ts";
import type { Findings, Tolerances } from "./compare.ts";
import type { Trial } from "./directions.ts";
import type { Draw } from "./draw.ts";
import type { RandomBase } from "./randomBases.ts";

/** The recipe for a method's random cases, and the properties that determine which checks apply. */
export interface MethodCases<O extends object = object> {
  /**
   * Draws options that fit the base model, or returns null if none fit. Layers have few parameters, and dropout is
   * inactive in evaluation mode.
   */
  draw(draw: Draw, base: RandomBase): O | null;
  /** Draws further inputs that the method needs. Default: none. */
  inputs?(draw: Draw, options: O, batch: Batch): Partial<Batch>;
  /** PEFT's spelling of options that are not in snake case. */
  names?: Readonly<Record<string, string>>;
  /** Returns true if such an adapter can be merged. Default: always. */
  merges?(options: O, base: RandomBase): boolean;
  /**
   * Returns true if the file lacks the trained parameters, so that neither side can train it further. Default: never.
   */
  final?(options: O): boolean;
  /**
   * Returns true if files store values in another form, so that reading and saving again rounds them. Default: never.
   */
  rounded?(options: O): boolean;
  /** True for virtual tokens: PEFT does not wrap the model, and does not train loaded adapters. Default: false. */
  prompt?: true;
  /**
   * True if training reallocates ranks or clusters after every step. The adapter is then loaded again: files may omit
   * ranks that were cut, and a loaded adapter trains all clusters. Default: false.
   */
  allocates?: boolean;
  /**
   * True if files lack the start of the training, so that an adapter trains on in another way than its file. PEFT's
   * adapter is then loaded before it trains on. Default: false.
   */
  reloads?: true;
  /**
   * True if the sizes of tensors follow from the values of weights, which a report does not have. Its counts are then
   * not compared. Default: false.
   */
  sizesFollowWeights?: true;
  /**
   * The attention of transformers to compare with. For a token that attends to no key, such as padding on the left,
   * "sdpa" gives zeros, as Lowrank does. "eager" gives the mean of all values. Default: "eager".
   */
  attention?: "eager" | "sdpa";
  /** Warnings that PEFT gives when it loads adapters with some of the options. */
  warnings?: readonly RegExp[];
  /**
   * Checks an adapter in both directions, if it consists of more than a configuration. Default: the checks of
   * `directions.ts`.
   */
  own?(adapter: AdapterCase, trial: Trial): Promise<Findings>;
  /** Tolerances that differ from the default, with the reason. */
  tolerances?: Partial<Tolerances> & { why: string };
}

/** Defines a method's cases with typed options. */
export function defineCases<O extends object>(cases: MethodCases<O>): MethodCases<O> {
  return cases;
}

/** Draws which base biases train too: all, or, with the method's own value, the biases of the targets. */
export function drawBias<Only extends string>(draw: Draw, only: Only): { bias?: "all" | Only } {
  return draw.maybe(0.25, () => ({ bias: draw.pick(["all", only]) }));
}
