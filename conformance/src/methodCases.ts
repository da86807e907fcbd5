import type { Tolerances } from "./compare.ts";
import type { Draw } from "./draw.ts";
import type { RandomBase } from "./randomBases.ts";

/** The recipe for a method's random cases, and the properties that decide which checks apply. */
export interface MethodCases<O extends object = object> {
  /**
   * Options that fit the base, or null where none do. Numbers of layers are small, and
   * dropouts rest in evaluation.
   */
  draw(draw: Draw, base: RandomBase): O | null;
  /** PEFT's spelling of options that are not spelt in snake case. */
  names?: Readonly<Record<string, string>>;
  /** Returns true if such an adapter can be merged. Default: always. */
  merges?(options: O, base: RandomBase): boolean;
  /**
   * Returns true if the file lacks the trained parameters: neither side can train it
   * further. Default: never.
   */
  final?(options: O): boolean;
  /**
   * Files hold numbers in another form, so that those read and saved again are
   * rounded. Default: never.
   */
  rounded?(options: O): boolean;
  /**
   * It puts virtual tokens before sequences: PEFT does not wrap the model, nor lets loaded
   * adapters train. Default false.
   */
  prompt?: true;
  /**
   * Training gives out ranks after every step, and files lack those that were cut. Default false.
   */
  allocates?: boolean;
  /** The warnings that PEFT gives when it loads adapters with some of the options. */
  warnings?: readonly RegExp[];
  /** Differences that are allowed beyond the usual, and why. */
  tolerances?: Partial<Tolerances> & { why: string };
}

/** Names a method's cases, with their options typed. */
export function defineCases<O extends object>(cases: MethodCases<O>): MethodCases<O> {
  return cases;
}
