import type { PolyOptions } from "@lowrank/peft";
import { commonDivisors, drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** Poly and multi-head routing, with the tasks of the rows. It cannot be merged. */
export const poly: MethodCases<PolyOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const { options, paths } = drawTargets(draw, base, { layers: false });
    // PEFT takes only inputs [B, T, D]. BERT's pooler has inputs [B, D], and DeBERTa projects positions of no batch.
    if (["bert", "deberta-v2"].includes(base.config.model_type) && options.targetModules === "all-linear") return null;
    if (base.config.model_type === "deberta-v2" && paths.some((path) => /(query|key)_proj$/.test(path))) return null;
    const splits = commonDivisors(base, paths, true);
    return {
      r: draw.integer(1, 8),
      ...options,
      ...draw.maybe(0.8, () => ({ nTasks: draw.integer(1, 4) })),
      ...draw.maybe(0.7, () => ({ nSkills: draw.integer(1, 5) })),
      ...draw.maybe(0.6, () => ({ nSplits: draw.pick([1, ...splits]) })),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
    };
  },
  inputs: (draw, { nTasks = 1 }, { input_ids: rows }) => ({ task_ids: rows.map(() => draw.integer(0, nTasks - 1)) }),
  merges: () => false,
});
