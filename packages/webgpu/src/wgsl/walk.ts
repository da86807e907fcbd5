import type { Traversal } from "@lowrank/core/backend";

/**
 * WGSL that converts the index of an element in the traversed dimensions (in row-major order) to the element's offset
 * in each operand. It reads the uniforms `uniforms`: the sizes of the dimensions and the strides of the operands.
 */
export interface Walk {
  readonly uniforms: Readonly<Record<string, "u32">>;
  readonly code: string;
}

/**
 * Makes WGSL that converts element indices to offsets, for `rank` dimensions. `from` is the WGSL variable with the
 * element's index. Each operand is a WGSL variable to which the element's offset is added. `tag` distinguishes the
 * uniforms of two such conversions in one kernel.
 */
export function walk(rank: number, operands: readonly string[], from: string, tag = ""): Walk {
  const uniforms: Record<string, "u32"> = {};
  const lines: string[] = [`var rest${tag} = ${from};`];
  for (let d = rank - 1; d >= 0; d--) {
    if (d > 0) {
      uniforms[`size${tag}${d}`] = "u32";
      lines.push(`let p${tag}${d} = rest${tag} % u.size${tag}${d};`, `rest${tag} /= u.size${tag}${d};`);
    }
    for (const operand of operands) {
      uniforms[`${operand}${tag}${d}`] = "u32";
      lines.push(`${operand} += ${d > 0 ? `p${tag}${d}` : `rest${tag}`} * u.${operand}${tag}${d};`);
    }
  }
  return { uniforms, code: lines.join("\n") };
}

/** Returns the values of the uniforms that the code of `walk` reads: the sizes and strides of a traversal. */
export function walkValues(
  { sizes, strides }: Traversal,
  operands: readonly string[],
  tag = "",
): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [d, size] of sizes.entries()) {
    if (d > 0) values[`size${tag}${d}`] = size;
    for (const [k, operand] of operands.entries()) values[`${operand}${tag}${d}`] = strides[k][d];
  }
  return values;
}
