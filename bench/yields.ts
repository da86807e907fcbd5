// Measures the cost of yielding to the event loop during training and generation.
import { performance } from "node:perf_hooks";
import { init, yieldIfDue } from "@lowrank/core";
import { generate } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { Trainer } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { loraStepCases, randomModel } from "./lib/loraStep.ts";
import { machine, median, printTable } from "./lib/measure.ts";

const steps = 10;
const newTokens = 200;
const { config, rank: r, alpha: loraAlpha } = loraStepCases.m15;

/** Returns the median time in ms of a call of `yieldIfDue` after `busyMs` of work. */
async function callMs(busyMs: number, calls: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const before = performance.now();
    while (performance.now() - before < busyMs);
    const start = performance.now();
    await yieldIfDue();
    times.push(performance.now() - start);
  }
  return median(times);
}

/**
 * Prints the number of yields per step and per token, and their share of the time. The last line is JSON: the share of
 * all calls and yields together, in percent.
 */
export async function bench(): Promise<void> {
  await init(wasm());
  const model = randomModel(config);
  const peft = await getPeftModel(model, new LoraConfig({ r, loraAlpha, targetModules: "all-linear" }));
  const inputIds = Array.from({ length: 128 }, (_, i) => (i * 7919) % config.vocab_size);
  const examples = [{ inputIds, labels: inputIds }];
  const training = { padTokenId: 0, learningRate: 1e-4, gradientAccumulationSteps: 2, maxSteps: steps };
  const [idle, full] = [await callMs(0, 10_000), await callMs(17, 200)];
  const rows: string[][] = [];
  const percent: Record<string, number> = {};
  const measure = async (name: string, count: number, callsEach: number, work: () => Promise<unknown>) => {
    const { loopCount } = performance.nodeTiming.uvMetricsInfo;
    const start = performance.now();
    await work();
    const each = (performance.now() - start) / count;
    const turns = (performance.nodeTiming.uvMetricsInfo.loopCount - loopCount) / count;
    percent[name] = Number(((100 * (callsEach * idle + turns * full)) / each).toFixed(3));
    rows.push([name, each.toFixed(1), turns.toFixed(2), `${percent[name]} %`]);
  };
  await measure("step", steps, 3, () => new Trainer(peft, examples, training).train());
  await measure("token", newTokens, 1, () => generate(model, [[1]], { maxNewTokens: newTokens }));
  console.log(
    `${machine()}\na call: ${(1000 * full).toFixed(0)} µs with a turn, ${(1000 * idle).toFixed(2)} µs without\n`,
  );
  printTable(["", "ms each", "turns each", "share"], rows);
  console.log(`\n${JSON.stringify({ yields: percent })}`);
}
