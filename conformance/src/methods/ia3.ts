import type { IA3Options } from "@lowrank/peft";
import { defaultPaths, drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** (IA)³, with feed-forward targets by default, as a list or as an expression. */
export const ia3: MethodCases<IA3Options> = defineCases({
  draw(draw, base) {
    const defaults = defaultPaths(base, "IA3");
    const { options } = drawTargets(draw, base, { defaults, layers: false });
    const { targetModules } = options;
    // A model without defaults, such as SmolLM3, needs the modules. PEFT rejects a list that is not a subset of the
    // targets, and even its own default if the targets lack it.
    const feedforward = Array.isArray(targetModules)
      ? { feedforwardModules: draw.pick([draw.some(targetModules), []]) }
      : draw.maybe(targetModules === "all-linear" || defaults === null ? 1 : 0.5, () => ({
          feedforwardModules: String.raw`.*\.(down_proj|mlp\.c_proj|k_proj)`,
        }));
    return {
      ...options,
      ...feedforward,
      ...draw.maybe(0.3, () => ({ initIa3Weights: false })),
    };
  },
});
