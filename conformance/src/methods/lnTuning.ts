import type { PeftOptions } from "@lowrank/peft";
import { defaultPaths, headOf } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** LN tuning of some norms, or of all. */
export const lnTuning: MethodCases<PeftOptions> = defineCases({
  draw(draw, base) {
    const inBlocks = base.norms.slice(0, -1);
    const hasDefault = defaultPaths(base, "LN_TUNING") !== null;
    const names = draw.some(base.norms);
    return {
      ...draw.maybe(hasDefault ? 0.7 : 1, () => ({
        targetModules: draw.pick([names, names, String.raw`.*\.(${draw.some(inBlocks).join("|")})`]),
        // At least one target must remain.
        ...(names.length > 1 ? draw.maybe(0.3, () => ({ targetModules: names, excludeModules: names.slice(-1) })) : {}),
      })),
      ...(headOf(base).length > 0 ? draw.maybe(0.2, () => ({ modulesToSave: headOf(base) })) : {}),
    };
  },
  warnings: [/^Unsupported layer type .* encountered, proceed at your own risk/],
});
