import type { Draw } from "./draw.ts";

/** Draws which base biases train too: all, or, with the method's own value, the biases of the targets. */
export function drawBias<Only extends string>(draw: Draw, only: Only): { bias?: "all" | Only } {
  return draw.maybe(0.25, () => ({ bias: draw.pick(["all", only]) }));
}
