import type { Bound } from "../operators/signature.ts";
import type { Arguments, Value } from "../values/types.ts";

/** Functions of the running template that filters call to apply other filters and tests. */
export interface FilterEnvironment {
  callFilter(name: string, value: Value, args: Arguments): Value;
  callTest(name: string, value: Value, args: Arguments): boolean;
}

/**
 * A filter. With a fixed signature: the signature of the parameters that follow the value (see `bind`), and the
 * function. Without one: a function that receives the value, all arguments and the environment.
 */
type Filter =
  | readonly [signature: string, run: (value: Value, ...args: Bound) => Value]
  | ((value: Value, args: Arguments, environment: FilterEnvironment) => Value);

/** Filters by name. */
export type Filters = Readonly<Record<string, Filter>>;
