import type { ServingModel } from "@lowrank/serve";
import type { ServeSettings } from "./serveSettings.ts";

/** MiB of keys and values that a server keeps unless its settings give a number of tokens. */
const usualMiB = 256;

/**
 * Returns a warning for a server that takes shorter sequences than its model because of the size
 * of its cache, with the setting that raises it; null for any other.
 */
export function lengthNote(
  { maxPositions, modelPositions }: Pick<ServingModel, "maxPositions" | "modelPositions">,
  settings: Pick<ServeSettings, "max-model-len" | "kv-cache-tokens">,
): string | null {
  if (maxPositions >= modelPositions || settings["max-model-len"] !== undefined) return null;
  const needed = Math.ceil((usualMiB * modelPositions) / maxPositions);
  const memory = settings["kv-cache-tokens"] === undefined ? `, about ${needed} MiB instead of ${usualMiB}` : "";
  return (
    `sequences have at most ${maxPositions} tokens, and the model takes ${modelPositions}: ` +
    `the cache holds no more; give --kv-cache-tokens ${modelPositions} for all of them${memory}, ` +
    `or --max-model-len ${maxPositions} to accept the limit`
  );
}
