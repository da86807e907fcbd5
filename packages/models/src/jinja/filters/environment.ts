import type { Bound } from "../operators/signature.ts";
import type { Arguments, Value } from "../values/types.ts";

/** Functions of the running template that filters call to apply other filters and tests. */
export interface FilterEnvironment {
  callFilter(name: string, value: Value, args: Arguments): Value;
  callTest(name: string, value: Value, args: Arguments): boolean;
}

/**
 * A filter. Usually the signature of its parameters after the value (see `bind`), and its function; a filter without a
 * fixed signature is a function that receives all arguments.
 */
type Filter =
  | readonly [signature: string, run: (value: Value, ...args: Bound) => Value]
  | ((value: Value, args: Arguments, environment: FilterEnvironment) => Value);

/** Filters by name. */
export type Filters = Readonly<Record<string, Filter>>;
