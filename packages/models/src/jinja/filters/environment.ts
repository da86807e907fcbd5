import type { Bound } from "../operators/signature.ts";
import type { Arguments, Value } from "../values/types.ts";

/** Functions that a filter calls to apply other filters and tests of the running template. */
export interface FilterEnvironment {
  callFilter(name: string, value: Value, args: Arguments): Value;
  callTest(name: string, value: Value, args: Arguments): boolean;
}

/**
 * A filter in one of two forms. The first form is a pair: the signature of the parameters after the value (see `bind`),
 * and a function that receives the value and the arguments in that order. The second form is a function that receives
 * the value, the arguments as in the call, and the environment.
 */
type Filter =
  | readonly [signature: string, run: (value: Value, ...args: Bound) => Value]
  | ((value: Value, args: Arguments, environment: FilterEnvironment) => Value);

/** Filters by name. */
export type Filters = Readonly<Record<string, Filter>>;
