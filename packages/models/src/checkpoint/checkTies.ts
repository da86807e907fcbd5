import type { SafetensorsFile } from "@lowrank/core";
import type { Tie } from "../model/onShapes.ts";

/**
 * Throws if a checkpoint stores different values for two tied tensors, since dropping one of them would change the
 * model's output. `advice` returns the error message for a pair.
 */
export async function checkTies(
  file: SafetensorsFile,
  ties: readonly Tie[],
  advice: (tie: Tie) => string,
): Promise<void> {
  for (const { name, of } of ties) {
    if (!file.has(name) || !file.has(of)) continue;
    const { sameTensors } = await import("./sameTensors.ts");
    if (await sameTensors(file, name, of)) continue;
    throw new Error(`${file.label}: ${advice({ name, of })}`);
  }
}
