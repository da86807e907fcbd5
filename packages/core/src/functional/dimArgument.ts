import { refuseSurplus } from "../engine/op.ts";
import type { Tensor } from "../engine/tensor.ts";
import { checkOptions, type OptionKeys } from "../internal/checkOptions.ts";
import type { Shape } from "../layout/shape.ts";

/**
 * An argument that holds options with `dim`, or only the dimension, as in PyTorch: `sum(x, { dim: 1 })` or `sum(x, 1)`.
 */
export type DimArgument<O extends { dim?: unknown }> = O | Exclude<O["dim"], undefined>;

/**
 * Returns the options that the caller passed as argument number `position`. If the argument is a dimension, returns {
 * dim }. Throws for unknown options, for arguments after the options, and for more than `most` tensors.
 */
export function dimOptions<O extends { dim?: unknown }>(
  name: string,
  given: DimArgument<O>,
  keys: OptionKeys<O>,
  args: ArrayLike<unknown>,
  position = 1,
  most = 1,
): O {
  refuseSurplus(name, most, args);
  const isDim = typeof given === "number" || Array.isArray(given);
  if (args.length > position + 1) {
    const dim = isDim ? JSON.stringify(given) : "0";
    const others = Object.keys(keys).map((key) => (key === "dim" ? `dim: ${dim}` : `${key}: ...`));
    throw new Error(
      `${name}: ${String(args[position + 1])} comes after its options; give all options in one object, { ${others.join(", ")} }`,
    );
  }
  if (isDim) return { dim: given } as O;
  checkOptions(name, given as O, keys);
  return given as O;
}

/** Returns the sizes that a caller passed after the tensor x, either as one list or as separate arguments. */
export function listArgument(
  name: string,
  x: Tensor,
  first: Shape | number,
  rest: readonly number[],
  example: string,
): Shape {
  refuseSurplus(name, 1, [x, first, ...rest]);
  const isList = Array.isArray(first);
  const list = isList ? (first as Shape) : [first as number, ...rest];
  if ((isList && rest.length > 0) || !list.every((item) => typeof item === "number")) {
    const given = [isList ? `[${first}]` : first, ...rest].map(String).join(", ");
    throw new Error(`${name}: it takes numbers, as in ${example}, and (${given}) was given`);
  }
  return list;
}
