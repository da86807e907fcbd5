import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadModel, type Tokenizer } from "@lowrank/models";
import type { QuantizeOptions } from "@lowrank/nn";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { blocks, evaluate, Trainer } from "@lowrank/train";
import { type Check, within } from "../check/compare.ts";

const modelOf = (dir: string): string => join(dir, "models/stories260K-hf");

/** Returns true if a folder contains the files for `quality`: models/stories260K-hf/, and the texts in data/. */
export function holdsStories(dir: string): boolean {
  return existsSync(modelOf(dir)) && existsSync(join(dir, "data"));
}

const double: QuantizeOptions = { quantType: "nf4", blockSize: 64, doubleQuant: true };

/**
 * Mean loss of transformers on Aesop's fables with the weights of bitsandbytes; its kernels differ from each other by
 * 5e-3.
 */
const fableLosses: readonly [name: string, quantize: QuantizeOptions | undefined, loss: number, tolerance: number][] = [
  ["f32", undefined, 3.067, 5e-4],
  ["NF4", { ...double, doubleQuant: false }, 3.16, 5e-3],
  ["NF4 with double quantisation", double, 3.158, 5e-3],
];

/** Checks the quality of a small model in NF4: its loss unchanged, and after LoRA and QLoRA. */
export async function* quality(dir: string): AsyncGenerator<Check> {
  for (const [name, quantize, expected, tolerance] of fableLosses) {
    const { loss, labels } = await lossOnFables(dir, quantize);
    const check = within(`fables in ${name}`, [loss, labels], [expected, 29_763], tolerance);
    yield { ...check, note: `${loss.toFixed(4)} nats a token over ${labels} tokens` };
  }
  const [lora, qlora] = [await trainedLoss(dir, undefined), await trainedLoss(dir, double)];
  const note = `${lora.toFixed(4)} nats a token after LoRA, ${qlora.toFixed(4)} after QLoRA`;
  // With Hugging Face PEFT, the two losses differ by 0.01 to 0.035.
  yield { ...within("QLoRA beside LoRA on Shakespeare", [qlora], [lora], 0.05), note };
}

async function open(dir: string, quantize: QuantizeOptions | undefined) {
  const { model, tokenizer } = await loadModel(modelOf(dir), { quantize });
  if (!tokenizer) throw new Error(`${modelOf(dir)} has no tokenizer`);
  return { model, tokenizer };
}

const encode = (tokenizer: Tokenizer, text: string): number[] => tokenizer.encode(text, { addSpecialTokens: false });

/** Returns the loss on the first 512 tokens of each fable, including BOS. */
async function lossOnFables(dir: string, quantize: QuantizeOptions | undefined) {
  const { model, tokenizer } = await open(dir, quantize);
  const fables: { text: string }[] = JSON.parse(readFileSync(join(dir, "data/aesop_fables.json"), "utf8"));
  const examples = fables.map(({ text }) => {
    const inputIds = [1, ...encode(tokenizer, text)].slice(0, 512);
    return { inputIds, labels: inputIds };
  });
  return evaluate(model, examples, { batchSize: 1, padTokenId: 0 });
}

/** Returns the loss on the last tenth of Shakespeare, after 100 steps on the first nine tenths. */
async function trainedLoss(dir: string, quantize: QuantizeOptions | undefined): Promise<number> {
  const { model, tokenizer } = await open(dir, quantize);
  const ids = encode(tokenizer, readFileSync(join(dir, "data/tinyshakespeare.txt"), "utf8"));
  const border = Math.floor(0.9 * ids.length);
  const cut = (part: number[]) => blocks(part, { blockSize: 128, bosTokenId: 1, dropLast: true });
  const config = new LoraConfig({ r: 8, loraAlpha: 16, targetModules: "all-linear", taskType: "CAUSAL_LM" });
  const peft = await getPeftModel(model, config);
  const options = { batchSize: 8, padTokenId: 0 };
  await new Trainer(peft, cut(ids.slice(0, border)), { ...options, maxSteps: 100, learningRate: 1e-2 }).train();
  return (await evaluate(peft, cut(ids.slice(border, border + 20_000)), options)).loss;
}
