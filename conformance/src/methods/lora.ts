import type { LoraOptions } from "@lowrank/peft";
import { trainedTokens } from "../batch.ts";
import type { Draw } from "../draw.ts";
import { drawPattern, drawTargets, tiedWarning } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";
import type { RandomBase } from "../randomBases.ts";
import { drawBias } from "../trainedBiases.ts";

/** The smallest side of all linear layers: what a rank cannot exceed where it is taken out of the weight. */
const smallestSide = ({ linears }: RandomBase): number => Math.min(...Object.values(linears).flat());

/**
 * How A and B start, and the rank that goes with it. Randomised singular values are not the same twice. What a start takes
 * out of a weight of half precision is rounded here, where PEFT, which has float32 on this side, does not; and PEFT's OLoRA
 * takes a Conv1D for a linear layer.
 */
function drawStart(draw: Draw, base: RandomBase): LoraOptions {
  const taking = base.dtype !== "float32" ? [] : base.config.model_type === "gpt2" ? ["pissa"] : ["pissa", "olora"];
  const start = draw.pick([true, true, true, false, "gaussian", "orthogonal", ...taking]);
  const most = Math.min(6, smallestSide(base));
  const r = start === "orthogonal" ? 2 * draw.integer(1, most >> 1) : draw.integer(1, most);
  return start === true ? { r } : { r, initLoraWeights: start };
}

/** LoRA in all its options, DoRA and the starts that take their values out of the base weights among them. */
export const lora: MethodCases<LoraOptions> = defineCases({
  draw(draw, base) {
    const start = drawStart(draw, base);
    // A start of that kind takes a linear layer's weight.
    const plain = start.initLoraWeights === undefined;
    const targets = drawTargets(draw, base, { embedding: plain });
    const useDora = draw.chance(0.3);
    return {
      ...start,
      ...targets.options,
      loraAlpha: draw.integer(1, 24),
      ...draw.maybe(0.2, () => ({ loraDropout: 0.1 })),
      ...draw.maybe(0.3, () => ({ useRslora: true })),
      ...(useDora ? { useDora } : {}),
      ...drawBias(draw, "lora_only"),
      ...(plain
        ? draw.maybe(0.3, () => ({ rankPattern: drawPattern(draw, base, targets, () => draw.integer(1, 6)) }))
        : {}),
      ...draw.maybe(0.3, () => ({ alphaPattern: drawPattern(draw, base, targets, () => draw.integer(1, 24)) })),
      ...(plain && !useDora ? draw.maybe(0.15, () => ({ loraBias: true })) : {}),
      // One embedding cannot be adapted in two ways.
      ...(targets.options.targetModules?.includes(base.embedding)
        ? {}
        : draw.maybe(0.15, () => ({
            trainableTokenIndices: draw.pick([[...trainedTokens], { [base.embedding]: [2, 5] }]),
          }))),
    };
  },
  warnings: [
    /^`lora_bias=True` was passed but .* merging LoRA weights won't be possible/,
    /^Using Rank-Stabilized LoRA/,
    tiedWarning,
  ],
  // PEFT does not merge a bias on B into a layer without one.
  merges: ({ loraBias }, { config }) => !loraBias || config.model_type === "gpt2",
});
