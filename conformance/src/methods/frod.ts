import type { FrodOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";
import type { RandomBase } from "../randomBases.ts";

/** Leaves out layers whose input sizes differ between blocks. They cannot share a basis; both sides refuse it. */
function sameInputs({ config, unlikeBlocks, linears }: RandomBase): { among?: string[] } {
  if (!unlikeBlocks || config.model_type !== "gemma4_text") return {};
  return { among: Object.keys(linears).filter((path) => !/\b(o|down)_proj$/.test(path)) };
}

/** FRoD with the diagonal alone, with few and with all elements, on layers that share bases. */
export const frod: MethodCases<FrodOptions> = defineCases({
  draw: (draw, base) => ({
    ...drawTargets(draw, base, { exclude: false, ...sameInputs(base) }).options,
    ...draw.maybe(0.7, () => ({ sparseRate: draw.pick([0, 0.05, 0.3, 1]) })),
    ...draw.maybe(0.4, () => ({ projectionPrngKey: draw.integer(0, 1000) })),
    ...draw.maybe(0.4, () => ({ regularizationAlpha: draw.pick([1e-2, 0.1, 1]) })),
    ...draw.maybe(0.2, () => ({ frodDropout: 0.1 })),
    ...draw.maybe(0.3, () => ({ initWeights: false })),
    ...drawBias(draw, "frod_only"),
  }),
});
