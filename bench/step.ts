// A LoRA training step (forward, backward, AdamW) on random weights against PyTorch with PEFT, step by step in turn.
import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { type LoraStepCase, loraStepCases, makeLoraStep } from "./lib/loraStep.ts";
import { type Contestant, interleave, machine, printTable } from "./lib/measure.ts";
import { startPython } from "./lib/startPython.ts";

type Python = Awaited<ReturnType<typeof startPython>>;

const WARM_UPS = 2;
const ROUNDS = 11;

/** Our tokens/s over PyTorch's by the median step, or undefined without PyTorch. */
async function measure(
  name: string,
  subject: LoraStepCase,
  threads: number,
  python: Python,
): Promise<number | undefined> {
  const backend = await wasm({ threads });
  await init(backend);
  const losses = new Map<string, number>();
  const step = makeLoraStep(subject);
  const contestants: Contestant[] = [{ name: "lowrank", run: async () => losses.set("lowrank", step()) }];
  if (python) {
    await python.ask("make_lora_step", { ...subject, threads });
    const run = async () => {
      const { loss } = await python.ask<{ loss: number }>("run_lora_steps", { count: 1 });
      losses.set("pytorch", loss);
    };
    contestants.push({ name: "pytorch", run });
  }
  const timings = await interleave(contestants, WARM_UPS, ROUNDS);
  const { batch, tokens, rank } = subject;
  const count = `${backend.threads} thread${backend.threads > 1 ? "s" : ""}`;
  backend.dispose();
  console.log(`\n${name}: B=${batch} T=${tokens}, LoRA r ${rank} on all linear layers, ${count}`);
  const speed = (time: number) => ((1000 * batch * tokens) / time).toFixed(0);
  printTable(
    ["", "step ms", "best", "tokens/s", "best", "loss"],
    [...timings].map(([contestant, { median, best }]) => [
      contestant,
      median.toFixed(1),
      best.toFixed(1),
      speed(median),
      speed(best),
      losses.get(contestant)!.toFixed(3),
    ]),
  );
  const [ours, theirs] = [...timings.values()];
  const [ourLoss, theirLoss] = [...losses.values()];
  // Weights and tokens are drawn by each side for itself, so that losses agree roughly.
  if (theirLoss !== undefined && !(Math.abs(ourLoss! - theirLoss) < 0.5)) {
    throw new Error(`step: after the same number of steps the losses are ${ourLoss} and ${theirLoss}`);
  }
  return theirs && theirs.median / ours!.median;
}

/** Prints tokens/s of both sides and ends with one line of JSON: ours over PyTorch's, on one and on two threads. */
export async function bench(): Promise<void> {
  console.log(machine());
  const python = await startPython();
  if (python) console.log(Object.entries(python.versions).flat().join(" "));
  const figures: Record<string, number> = {};
  for (const threads of [1, 2]) {
    for (const [name, subject] of Object.entries(loraStepCases)) {
      const ratio = await measure(name, subject, threads, python);
      if (ratio !== undefined) figures[`${name}_t${threads}`] = Number(ratio.toFixed(3));
    }
  }
  await python?.[Symbol.asyncDispose]();
  console.log(`\n${JSON.stringify({ step: figures })}`);
}
