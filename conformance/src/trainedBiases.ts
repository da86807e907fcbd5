import type { Draw } from "./draw.ts";

/** Which base biases train too: those of the targets under the method's own word. */
export function drawBias<Only extends string>(draw: Draw, only: Only): { bias?: "all" | Only } {
  return draw.maybe(0.25, () => ({ bias: draw.pick(["all", only]) }));
}
