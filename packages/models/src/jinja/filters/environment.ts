import type { Bound } from "../operators/signature.ts";
import type { Arguments, Value } from "../values/types.ts";

/** The functions of the running template that filters use. */
export interface FilterEnvironment {
  callFilter(name: string, value: Value, args: Arguments): Value;
  callTest(name: string, value: Value, args: Arguments): boolean;
}

/**
 * A filter: the signature of its parameters after the value (for `bind`), and its function. A filter
 * without a fixed signature is a function that receives all arguments.
 */
type Filter =
  | readonly [signature: string, run: (value: Value, ...args: Bound) => Value]
  | ((value: Value, args: Arguments, environment: FilterEnvironment) => Value);

/** A table of filters by name. */
export type Filters = Readonly<Record<string, Filter>>;
