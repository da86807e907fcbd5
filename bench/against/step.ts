import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { loraStep } from "./loraStep.ts";
import { medianTime } from "./medianTime.ts";
import type { ChildOptions, Parts } from "./subject.ts";

/** Times a LoRA step of a Llama with 15M parameters and of SmolLM2-135M, on one thread. */
export async function step({ m15, m135 }: ChildOptions): Promise<Parts> {
  await init(wasm());
  return {
    m15: await medianTime(await loraStep(m15, 4, 256), 2, 5),
    m135: await medianTime(await loraStep(m135, 1, 128), 1, 3),
  };
}
