// One training run of the stories benchmark in a separate process: `storiesRun.ts '{"model", "blocks", "adapter"}'`
// prints one JSON line.
import { readFileSync } from "node:fs";
import { bytesSource, init, openSafetensors } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { evaluate, type TokenizedExample, Trainer } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { median } from "./measure.ts";
import { peakBytes } from "./serveSteps.ts";

/** The results that a run prints, here and in Python. */
export interface StoriesResult {
  losses: number[];
  validation: { before: number; after: number };
  stepSeconds: { median: number; best: number };
  peakBytes: number;
}

const { model: folder, blocks, adapter } = JSON.parse(process.argv[2] ?? "") as Record<string, string>;
await init(wasm());
const file = await openSafetensors(bytesSource(readFileSync(blocks as string)), blocks);
const rows = async (name: string): Promise<TokenizedExample[]> => {
  const { bytes, shape } = await file.read(name);
  const [count, length] = shape as [number, number];
  const ids = new Int32Array(bytes.buffer, bytes.byteOffset, count * length);
  return Array.from({ length: count }, (_, i) => {
    const inputIds = Array.from(ids.subarray(i * length, (i + 1) * length));
    return { inputIds, labels: inputIds };
  });
};
const training = await rows("train");
const validation = await rows("validation");

const { model } = await loadModel(folder as string);
const peft = await PeftModel.fromPretrained(model, adapter as string, { isTrainable: true });
const options = { padTokenId: 0, batchSize: 8 };
const before = await evaluate(peft, validation, options);
const seconds: number[] = [];
const trainer = new Trainer(peft, training, {
  ...options,
  maxSteps: training.length / options.batchSize,
  learningRate: 1e-2,
  maxGradNorm: 0,
  shuffle: false,
  onStep: (report) => void seconds.push(report.seconds),
});
const { losses } = await trainer.train();
const peak = peakBytes();
const after = await evaluate(peft, validation, options);
const result: StoriesResult = {
  losses,
  validation: { before: before.loss, after: after.loss },
  stepSeconds: { median: median(seconds), best: Math.min(...seconds) },
  peakBytes: peak,
};
console.log(JSON.stringify(result));
