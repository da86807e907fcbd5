import type { Shape } from "../layout/shape.ts";

/** Returns the numbers that a caller passed, either as one list or as separate arguments. */
export function listArgument(name: string, first: Shape | number, rest: readonly number[], example: string): Shape {
  const isList = Array.isArray(first);
  const list = isList ? (first as Shape) : [first as number, ...rest];
  if ((isList && rest.length > 0) || !list.every((item) => typeof item === "number")) {
    const given = [isList ? `[${first}]` : first, ...rest].map(String).join(", ");
    throw new Error(`${name}: it takes numbers, as in ${example}, and (${given}) was given`);
  }
  return list;
}
