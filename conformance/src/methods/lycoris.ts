import type { LoHaOptions, LoKrOptions } from "@lowrank/peft";
import type { Draw } from "../draw.ts";
import { drawPattern, drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";
import type { RandomBase } from "../randomBases.ts";

/** Draws the options that LoHa and LoKr share. Returns null for layers that they do not support. */
function drawShared(draw: Draw, base: RandomBase): LoHaOptions | null {
  if (base.conv1d) return null;
  const targets = drawTargets(draw, base);
  return {
    r: draw.integer(1, 6),
    ...targets.options,
    ...draw.maybe(0.7, () => ({ alpha: draw.integer(1, 8) })),
    ...draw.maybe(0.2, () => ({ rankDropout: 0.1 })),
    ...draw.maybe(0.2, () => ({ moduleDropout: 0.1 })),
    ...draw.maybe(0.3, () => ({ rankPattern: drawPattern(draw, base, targets, () => draw.integer(1, 6)) })),
    ...draw.maybe(0.3, () => ({ alphaPattern: drawPattern(draw, base, targets, () => draw.integer(1, 8)) })),
  };
}

/** LoHa. */
export const loha: MethodCases<LoHaOptions> = defineCases({
  draw(draw, base) {
    const shared = drawShared(draw, base);
    return shared && { ...shared, ...draw.maybe(0.3, () => ({ initWeights: false })) };
  },
});

/** LoKr, with either matrix whole or factorised. */
export const lokr: MethodCases<LoKrOptions> = defineCases({
  draw(draw, base) {
    const shared = drawShared(draw, base);
    return (
      shared && {
        ...shared,
        ...draw.maybe(0.4, () => ({ initWeights: draw.pick([false, "lycoris"]) })),
        ...draw.maybe(0.4, () => ({ decomposeBoth: true })),
        ...draw.maybe(0.5, () => ({ decomposeFactor: draw.integer(1, 8) })),
        ...draw.maybe(0.2, () => ({ rankDropoutScale: true })),
      }
    );
  },
});
