/**
 * Stable codes of `PropertyError`: one for each property, "threw" for an error of the library or of a method, and
 * "no_case" if no drawn case fitted.
 */
export type PropertyCode =
  | "merge_differs"
  | "base_not_restored"
  | "start_differs"
  | "saved_differs"
  | "switch_differs"
  | "wrong_gradients"
  | "wrong_slope"
  | "mixed_batch_differs"
  | "rows_depend"
  | "weighted_sum_differs"
  | "requantized_differs"
  | "config_ignored"
  | "threw"
  | "no_case";

/** Facts about a failed property. */
export interface PropertyFailure {
  /** Stable code of the failure. */
  code: PropertyCode;
  /** Name of the property's function: "mergeEqualsUnmerged". */
  property: string;
  /** Path of the first differing layer or tensor. Null for a difference without a single place. */
  layer?: string | null;
  /** The largest absolute difference in this layer. Null if the failure is not a difference of values. */
  difference?: number | null;
  /** The largest difference that rounding explains. Null if no difference is allowed. */
  bound?: number | null;
  /** Index of the largest difference in the layer's output or tensor. */
  position?: readonly number[] | null;
  /** Seed of the adapter values. */
  seed?: number | null;
  /** The sentence that describes the failure. */
  detail: string;
}

/**
 * Thrown if a property of an adapter does not hold. The message names the first differing layer, the largest
 * difference, its position and the seed.
 *
 * @example
 * ```ts
 * try {
 *   await mergeEqualsUnmerged(model, new LoraConfig({ r: 2 }));
 * } catch (error) {
 *   if (error instanceof PropertyError) console.log(error.code, error.layer, error.difference, error.seed);
 * }
 * ```
 */
export class PropertyError extends Error {
  override readonly name = "PropertyError";
  /** Stable code of the failure, such as "merge_differs". */
  readonly code: PropertyCode;
  /** Name of the property's function: "mergeEqualsUnmerged". */
  readonly property: string;
  /** Path of the first differing layer or tensor. Null if the difference has no single place. */
  readonly layer: string | null;
  /** The largest absolute difference in this layer. Null if the failure is not a difference of values. */
  readonly difference: number | null;
  /** The largest difference that rounding explains. Null if no difference is allowed. */
  readonly bound: number | null;
  /** Index of the largest difference in the layer's output or tensor. Null if there is no such index. */
  readonly position: readonly number[] | null;
  /** Seed of the adapter values. Null if they were not drawn. */
  readonly seed: number | null;
  /** The message without the lines about a drawn case. */
  readonly detail: string;

  /** `lines` are further lines of the message. */
  constructor(failure: PropertyFailure, lines: readonly string[] = [], cause?: unknown) {
    const { code, property, layer = null, difference = null, bound = null, position = null, seed = null } = failure;
    const seeded = seed === null ? "" : ` Seed ${seed}.`;
    super([`${property}: ${failure.detail}.${seeded}`, ...lines].join("\n"), { cause });
    this.code = code;
    this.property = property;
    this.layer = layer;
    this.difference = difference;
    this.bound = bound;
    this.position = position;
    this.seed = seed;
    this.detail = failure.detail;
  }
}
