import { checkOptions, type OptionKeys } from "../internal/checkOptions.ts";
import { checkShape, type Shape } from "./shape.ts";

/** Arguments of functions such as `zeros`: a shape or its sizes one by one, then options. */
export type ShapeArguments<O> =
  | [shape: Shape]
  | [shape: Shape, options: O | undefined]
  | [...sizes: number[]]
  | [...sizes: number[], options: O];

/** Returns the shape and options that the caller passed. Throws if they are invalid. */
export function shapeArguments<O extends object>(
  name: string,
  args: ShapeArguments<O>,
  keys: OptionKeys<O>,
): { shape: Shape; options: O | undefined } {
  const list: readonly unknown[] = args;
  if (list.length === 0) throw new Error(`${name}: it takes a shape, as in ${name}([2, 3]); [] is a single number`);
  const given = Array.isArray(list[0]);
  const count = given ? 1 : leadingNumbers(list);
  const shape = (given ? list[0] : list.slice(0, count)) as Shape;
  if (count === 0 || list.length > count + 1) {
    throw new Error(`${name}: it takes a shape and options, as in ${name}([2, 3]) or ${name}(2, 3), not (${list})`);
  }
  checkShape(name, shape);
  const options = list[count] as O | undefined;
  if (options !== undefined) checkOptions(name, options, keys);
  return { shape, options };
}

/** Returns how many numbers the list starts with. */
function leadingNumbers(list: readonly unknown[]): number {
  const other = list.findIndex((item) => typeof item !== "number");
  return other < 0 ? list.length : other;
}
