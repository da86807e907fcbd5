// Measures the rank of the weight changes of fine-tuning, on nano. Compares full fine-tuning and LoRA of several ranks
// on the same examples: the spectra of the changes, and the share of correct answers. Also truncates the changes of
// full fine-tuning to each rank, without changing the norms.
import { Generator, init } from "@lowrank/core";
import { type CausalLM, loadModel } from "@lowrank/models";
import { complete, exactMatch, generatePairs, nanoModelFolder } from "@lowrank/nano";
import {
  adapterUpdates,
  approximateUpdate,
  describeSpectrum,
  getPeftModel,
  LoraConfig,
  loraOfUpdates,
  type MatrixUpdate,
  modelUpdates,
  type PeftModel,
  rankOfEnergy,
  updateValues,
} from "@lowrank/peft";
import { Trainer, tokenizeExample } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { machine, median, printTable } from "./lib/measure.ts";

const RANKS = [2, 4, 8, 16, 32, 64];
const STEPS = 1200;
const training = generatePairs({ language: "javascript", split: "train", count: 600, seed: 1 });
const test = generatePairs({ language: "javascript", split: "test", count: 485, seed: 1 });

async function nano() {
  const { model, tokenizer } = await loadModel(nanoModelFolder);
  if (!tokenizer) throw new Error("nano has no tokenizer");
  return { model, tokenizer };
}

type Nano = Awaited<ReturnType<typeof nano>>;

async function train(
  { tokenizer }: Nano,
  learner: CausalLM | PeftModel<CausalLM>,
  learningRate: number,
): Promise<void> {
  const examples = await Promise.all(training.map((pair) => tokenizeExample(tokenizer, pair)));
  const trainer = new Trainer(learner, examples, {
    padTokenId: tokenizer.padTokenId ?? 0,
    maxSteps: STEPS,
    batchSize: 8,
    learningRate,
    schedule: "cosine",
    warmupSteps: 20,
    betas: [0.9, 0.99],
    groupByLength: true,
  });
  await trainer.train();
}

/** Returns the share of the test requests that a model answers correctly. */
async function right({ model, tokenizer }: Nano): Promise<number> {
  const prompts = test.map(({ prompt }) => prompt);
  const answers = test.map(({ completion }) => completion);
  return exactMatch(await complete(model, tokenizer, prompts), answers);
}

/** Returns the medians of spectrum statistics over layers. */
function spectra(updates: readonly MatrixUpdate[]): string[] {
  const all = updates.map((update) => describeSpectrum(updateValues(update), update.shape));
  const middle = (of: (spectrum: (typeof all)[number]) => number) => median(all.map(of));
  return [
    middle(({ effectiveRank }) => effectiveRank).toFixed(1),
    middle(({ stableRank }) => stableRank).toFixed(1),
    middle((spectrum) => rankOfEnergy(spectrum, 0.9)).toFixed(0),
    `${(100 * middle(({ energy }) => energy[Math.min(8, energy.length) - 1]!)).toFixed(1)} %`,
  ];
}

async function collected(updates: AsyncIterable<MatrixUpdate>): Promise<MatrixUpdate[]> {
  const found: MatrixUpdate[] = [];
  for await (const update of updates) found.push(update);
  return found;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export async function bench(): Promise<void> {
  console.log(machine());
  await init(wasm());
  const full = await nano();
  full.model.setRequiresGrad(true);
  await train(full, full.model, 1e-3);
  full.model.setRequiresGrad(false);
  const base = await nano();
  const before = await right(base);
  const updates = await collected(modelUpdates(base.model, full.model));
  const rows = [
    ["before training", "-", "-", "-", "-", percent(before), "-"],
    ["full", ...spectra(updates), percent(await right(full)), "-"],
  ];
  const json: object[] = [];
  // Skip the embedding: it is also the output layer, and LoRA would change only its input side.
  const layers = updates.filter(({ path }) => path !== "model.embed_tokens");
  for (const r of RANKS) {
    const lora = await nano();
    const config = new LoraConfig({ r, loraAlpha: 2 * r, targetModules: "all-linear" });
    const peft = await getPeftModel(lora.model, config, { generator: new Generator(1) });
    await train(lora, peft, 3e-3);
    const cut = await nano();
    await loraOfUpdates(cut.model, new Map(layers.map((update) => [update.path, approximateUpdate(update, r)])), r);
    const [trained, truncated] = [await right(lora), await right(cut)];
    const measured = spectra(await collected(adapterUpdates(peft, "default")));
    rows.push([`LoRA r = ${r}`, ...measured, percent(trained), percent(truncated)]);
    json.push({ r, exactMatch: trained, fullCutToRank: truncated });
  }
  printTable(["", "effective rank", "stable rank", "rank of 90 %", "energy of 8", "right", "full, cut to r"], rows);
  console.log(JSON.stringify({ before, ranks: json }));
}
