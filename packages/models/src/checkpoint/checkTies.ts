import type { SafetensorsFile } from "@lowrank/core";
import type { Tie } from "../model/onShapes.ts";

/**
 * Throws if a checkpoint holds a tied tensor that differs from the one it is tied to; `advice` says
 * so in words. Leaving it out, as a repeated one is left out, would change answers.
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
