import type { RoadOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** RoAd in all variants, with groups that divide the outputs of all targets. */
export const road: MethodCases<RoadOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const { options, paths } = drawTargets(draw, base, { layers: false, exclude: false });
    const outputs = paths.map((path) => base.linears[path][1]);
    const sizes = Array.from({ length: Math.min(...outputs) / 2 }, (_, i) => 2 * (i + 1)).filter((size) =>
      outputs.every((width) => width % size === 0),
    );
    if (sizes.length === 0) return null;
    return {
      ...options,
      variant: draw.pick(["road_1", "road_2", "road_4"] as const),
      groupSize: draw.pick(sizes),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
    };
  },
});
