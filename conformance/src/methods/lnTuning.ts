import type { PeftOptions } from "@lowrank/peft";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** LN tuning of some norms, or of all. */
export const lnTuning: MethodCases<PeftOptions> = defineCases({
  draw(draw, base) {
    const inBlocks = base.norms.slice(0, -1);
    return {
      ...draw.maybe(0.7, () => ({
        targetModules: draw.pick([draw.some(base.norms), String.raw`.*\.(${draw.some(inBlocks).join("|")})`]),
        ...draw.maybe(0.2, () => ({ excludeModules: [base.norms.at(-1)!] })),
      })),
      ...(base.tied ? {} : draw.maybe(0.2, () => ({ modulesToSave: ["lm_head"] }))),
    };
  },
  warnings: [/^Unsupported layer type .* encountered, proceed at your own risk/],
});
