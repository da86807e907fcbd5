import type { Module } from "@lowrank/nn";
import type { OnWarning } from "../config/warning.ts";
import type { Tuner } from "./tuner.ts";

/**
 * Makes adapters the active ones. Unmerges merged adapters first, with a warning. `inferenceMode` sets whether the
 * adapters stay frozen.
 */
export function setActive(
  tuner: Tuner<Module>,
  names: readonly string[],
  { inferenceMode }: { inferenceMode?: boolean },
  onWarning: OnWarning,
): void {
  tuner.checkWhole("set an adapter");
  for (const name of names) tuner.adapter(name);
  const { mergedNames } = tuner;
  if (mergedNames.length > 0) {
    onWarning({
      code: "unmerged",
      message: `setAdapter: ${mergedNames.join(", ")} was merged and has been unmerged first`,
    });
    tuner.unmerge();
  }
  if (inferenceMode !== undefined) for (const name of names) tuner.setTrainable(name, !inferenceMode);
  tuner.activate(...names);
}
