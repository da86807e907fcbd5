import type { SafetensorsFile } from "@lowrank/core";
import type { Tie } from "../model/onShapes.ts";

/**
 * Throws if a checkpoint has different values under two names of a tied tensor, since the model keeps only one tensor.
 * `advice` returns the error message for the two names.
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
