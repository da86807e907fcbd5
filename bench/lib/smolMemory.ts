import { sharedPath } from "@lowrank/test-support/folders";
import type { SmolChildOptions } from "../peers/smolChild.ts";
import { compiledChild, startLineServer } from "./lineServer.ts";
import { median, printTable } from "./measure.ts";
import type { StepResult } from "./serveSteps.ts";

const TOKENS = 128;
const STEPS = 4;
const ROUNDS = 3;

/** Peak memory of a process in MB (10^6 bytes), and seconds from its start to the first QLoRA forward pass. */
export interface SmolFigures {
  smolLoraMB?: number;
  smolQloraMB?: number;
  smolLoadSeconds?: number;
}

/** Runs one training process. Returns the seconds until it was ready, its losses, and its peak memory in bytes. */
async function train(options: SmolChildOptions): Promise<{ seconds: number; losses: number[]; peakBytes: number }> {
  const args = [...(await compiledChild("peers/smolChild")), JSON.stringify(options)];
  const start = performance.now();
  const server = await startLineServer(process.execPath, args);
  const seconds = (performance.now() - start) / 1000;
  const results: StepResult[] = [];
  for (let step = 0; step < STEPS; step++) results.push(JSON.parse(await server.ask()) as StepResult);
  server.end();
  const losses = results.map(({ loss }) => loss);
  if (!losses.every((loss, i) => i === 0 || loss < losses[i - 1]!)) {
    throw new Error(`memory: the losses of SmolLM2-135M do not fall: ${losses.join(", ")}`);
  }
  return { seconds, losses, peakBytes: results.at(-1)!.peakBytes };
}

/**
 * Trains SmolLM2-135M-Instruct with LoRA and with QLoRA, in fresh processes, and prints a table. Returns an empty
 * object if the model is missing.
 */
export async function measureSmol(): Promise<SmolFigures> {
  const model = sharedPath("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf", "memory of SmolLM2-135M");
  const text = sharedPath("data/tinyshakespeare.txt", "memory of SmolLM2-135M");
  if (model === undefined || text === undefined) return {};
  console.log(
    `\nSmolLM2-135M-Instruct from Q4_1: B=1 T=${TOKENS}, LoRA r 8 on all linear layers, one thread, whole processes`,
  );
  const medians: { seconds: number; peak: number }[] = [];
  const rows: string[][] = [];
  for (const quantize of [false, true]) {
    const runs = [];
    for (let round = 0; round < ROUNDS; round++) runs.push(await train({ model, text, tokens: TOKENS, quantize }));
    const [seconds, peak] = [median(runs.map((run) => run.seconds)), median(runs.map((run) => run.peakBytes)) / 1e6];
    const { losses } = runs[0]!;
    medians.push({ seconds, peak });
    rows.push([
      quantize ? "QLoRA, NF4 double" : "LoRA, f32",
      ...[seconds.toFixed(2), losses[0]!.toFixed(3), losses.at(-1)!.toFixed(3), peak.toFixed(0)],
    ]);
  }
  printTable(["", "ready s", "loss", `step ${STEPS}`, "peak MB"], rows);
  const [lora, qlora] = medians;
  return {
    smolLoraMB: Math.round(lora!.peak),
    smolQloraMB: Math.round(qlora!.peak),
    smolLoadSeconds: Number(qlora!.seconds.toFixed(2)),
  };
}
