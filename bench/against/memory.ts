import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { peakBytes } from "../lib/peakBytes.ts";
import { loraStep } from "./loraStep.ts";
import type { ChildOptions, Parts } from "./subject.ts";

/** Returns the peak memory of this process in bytes for two steps of LoRA or QLoRA on SmolLM2-135M. */
export async function memory({ m135, part }: ChildOptions): Promise<Parts> {
  await init(wasm());
  const quantize = { quantType: "nf4", doubleQuant: true } as const;
  const run = await loraStep(m135, 1, 128, part === "qlora" ? { quantize, weights: "packed" } : {});
  await run();
  await run();
  return { [part as string]: peakBytes() };
}
