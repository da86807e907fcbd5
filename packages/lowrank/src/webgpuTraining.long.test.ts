import { type Backend, Generator, init } from "@lowrank/core";
import { generateText, loadModel } from "@lowrank/models";
import { generatePairs, nanoModelFolder } from "@lowrank/nano";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { Trainer, tokenizeExample } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { webgpu } from "@lowrank/webgpu";
import { describe, expect, it } from "vitest";

/** Folder of the embedded model: on disk in Node, on the test server in a browser. */
const here = import.meta.url;
const modelFolder = here.startsWith("file:") ? nanoModelFolder : new URL("/packages/nano/model/", here);

/** Number of steps. For more, in Node: LOWRANK_STEPS=100 pnpm test packages/lowrank/src/webgpuTraining */
const steps = Number(globalThis.process?.env.LOWRANK_STEPS ?? 30);
/** Most tokens of an example. Small, since software adapters are slow. */
const longest = 20;
const pairs = generatePairs({ language: "javascript", split: "train", count: 2000, seed: 0 });
const questions = generatePairs({ language: "javascript", split: "test", count: 4, seed: 0 });

const lora = { r: 8, loraAlpha: 16, loraDropout: 0.1, targetModules: "all-linear" } as const;
const runs = [
  { name: "LoRA", config: new LoraConfig(lora), quantize: undefined },
  {
    ...{ name: "DoRA over NF4", config: new LoraConfig({ ...lora, useDora: true }) },
    quantize: { quantType: "nf4", doubleQuant: true } as const,
  },
];

/** Losses of a training of the embedded model, and its greedy answers afterwards. */
interface Learned {
  readonly losses: readonly number[];
  readonly answers: readonly string[];
}

async function learn(backend: Backend, { config, quantize }: (typeof runs)[number]): Promise<Learned> {
  await init(backend);
  const { model, tokenizer } = await loadModel(modelFolder, { quantize });
  if (!tokenizer) throw new Error("the embedded model has no tokenizer");
  const peft = await getPeftModel(model, config, { generator: new Generator(1) });
  const tokenized = await Promise.all(pairs.map((pair) => tokenizeExample(tokenizer, pair)));
  const examples = tokenized.filter(({ inputIds }) => inputIds.length <= longest);
  const settings = { padTokenId: 0, batchSize: 1, maxSteps: steps, learningRate: 1e-3, seed: 2 };
  const { losses } = await new Trainer(peft, examples, settings).train();
  const answers: string[] = [];
  for (const { prompt } of questions) {
    answers.push(await generateText(model, tokenizer, prompt, { maxNewTokens: 24, doSample: false }));
  }
  return { losses, answers };
}

describe.skipIf(noWebGpu)(`${steps} steps on webgpu are those on wasm`, () => {
  it.each(runs)("$name", { timeout: 600_000 }, async (run) => {
    const onWasm = await learn(await wasm(), run);
    const gpu = await webgpu();
    const onGpu = await learn(gpu, run);
    gpu.dispose();
    expect(onWasm.losses).toHaveLength(steps);
    const last = (losses: readonly number[]) => losses.slice(-10).reduce((sum, loss) => sum + loss / 10, 0);
    expect(last(onWasm.losses)).toBeLessThan(0.8 * onWasm.losses[0]);
    const apart = onGpu.losses.map((loss, i) => Math.abs(loss / onWasm.losses[i] - 1));
    expect(apart.findIndex((difference) => !(difference < 1e-4))).toBe(-1);
    expect(onGpu.losses).toHaveLength(steps);
    expect(onGpu.answers).toEqual(onWasm.answers);
    expect(onGpu.answers.every((answer) => answer.length > 0)).toBe(true);
  });
});
