import type { ServingModel } from "@lowrank/serve";
import type { ServeSettings } from "./serveSettings.ts";

/** Default size of the KV cache in MiB. */
const usualMiB = 256;

/**
 * Returns a warning for a server whose cache limits sequences to less than the model's length. The warning names the
 * setting that raises the limit. Returns null for other servers.
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
