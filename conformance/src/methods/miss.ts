import type { MissOptions } from "@lowrank/peft";
import type { Draw } from "../draw.ts";
import { commonDivisors, drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";
import type { RandomBase } from "../randomBases.ts";

/** Draws the variant, with a rank that fits the layers. */
function drawVariant(draw: Draw, base: RandomBase, paths: readonly string[]): MissOptions {
  const sizes = paths.map((path) => base.linears[path]);
  const r = draw.integer(1, Math.min(8, ...sizes.map(([inputs]) => inputs)));
  const both = commonDivisors(base, paths, true);
  const outputs = Math.min(...sizes.map(([, size]) => size));
  const shared = Array.from({ length: outputs }, (_, i) => i + 1).filter((n) =>
    sizes.every(([, size]) => size % n === 0),
  );
  return draw.pick([
    { r },
    { r, initWeights: false },
    { r, initWeights: "mini", miniR: draw.pick(shared) },
    { r: both.length > 0 ? draw.pick(both) : 1, initWeights: "bat" },
  ]);
}

/** MiSS and its variants. */
export const miss: MethodCases<MissOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const { options, paths } = drawTargets(draw, base);
    return {
      ...options,
      ...drawVariant(draw, base, paths),
      ...draw.maybe(0.2, () => ({ missDropout: 0.1 })),
      ...drawBias(draw, "miss_only"),
    };
  },
});
