// LoRA on all-MiniLM-L6-v2 with banking77's test file; one half trains and the other tests. Compares a linear probe on
// frozen embeddings with the same head plus LoRA, both trained by cross-entropy. Also compares embeddings before and
// after contrastive training with LoRA. MINILM is the model's folder. THREADS, EPOCHS and TEXTS (number of texts) are
// optional:
//   MINILM=./all-MiniLM-L6-v2 THREADS=2 pnpm bench banking77
import { existsSync } from "node:fs";
import { affine, crossEntropy, Generator, init, type Tensor, tensor } from "@lowrank/core";
import { loadSequenceClassifier, type SequenceClassifier, type Tokenizer } from "@lowrank/models";
import { Linear, Module, Parameter } from "@lowrank/nn";
import { getPeftModel, LoraConfig, type PeftModel } from "@lowrank/peft";
import { sharedPath } from "@lowrank/test-support/folders";
import { collateSequences, embed, loadDataset, meanPooling, multipleNegativesRanking, Trainer } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { machine, printTable } from "./lib/measure.ts";

/** A text with the index of its intent. */
interface Labelled {
  inputIds: number[];
  label: number;
}

/** The texts of one half, and their embeddings from the frozen model. */
interface Half {
  texts: Labelled[];
  vectors: Float32Array[];
}

const padding = { padTokenId: 0, maxLength: 64 };
const [width, intents] = [384, 77];
/** Scale factor of the unit-length embeddings before the head. */
const scale = 20;

const targetModules = ["query", "key", "value", "dense"];
const epochs = Number(process.env.EPOCHS ?? 2);
const most = Number(process.env.TEXTS ?? Number.POSITIVE_INFINITY);

function note(text: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
}

async function freshModel(folder: string): Promise<{ model: SequenceClassifier; tokenizer: Tokenizer }> {
  const { model, tokenizer } = await loadSequenceClassifier(folder, { newHead: { labels: intents } });
  if (!tokenizer) throw new Error(`${folder} has no tokenizer.json`);
  return { model, tokenizer };
}

/** Returns the examples of the file. Examples with even indices train, the others test. */
async function halves(path: string, folder: string): Promise<{ train: Half; test: Half }> {
  const { model, tokenizer } = await freshModel(folder);
  const records = await loadDataset(path, { columns: { prompt: "text", completion: "category" } });
  const named = records.flatMap((record) => ("completion" in record ? [record] : []));
  const names = [...new Set(named.map(({ completion }) => completion))].sort();
  const all = named.map(({ prompt, completion }) => {
    return { inputIds: tokenizer.encode(prompt), label: names.indexOf(completion) };
  });
  const share = Math.min(1, most / all.length);
  // Keep the first examples of each intent.
  const rank = new Map<number, number>();
  const wanted = all.filter(({ label }) => {
    const at = rank.get(label) ?? 0;
    rank.set(label, at + 1);
    return at < share * 40;
  });
  const vectors = await embed(model, wanted, padding);
  const half = (rest: number): Half => ({
    texts: wanted.filter((_, i) => i % 2 === rest),
    vectors: vectors.filter((_, i) => i % 2 === rest),
  });
  return { train: half(0), test: half(1) };
}

const labelsOf = (texts: readonly Labelled[]) => tensor(Int32Array.from(texts, ({ label }) => label));
const rowsOf = (vectors: readonly Float32Array[]) => {
  const values = Float32Array.from(vectors.flatMap((vector) => [...vector]));
  return tensor(values, { shape: [vectors.length, width] });
};

/** Returns the share of texts whose intent the head predicts correctly from their embeddings. */
async function accuracyOf(head: Linear, texts: readonly Labelled[], vectors: readonly Float32Array[]): Promise<number> {
  using x = rowsOf(vectors);
  using logits = head.forward(x);
  const numbers = (await logits.data()) as Float32Array;
  const right = texts.filter(({ label }, i) => {
    const row = numbers.subarray(intents * i, intents * (i + 1));
    return row.indexOf(Math.max(...row)) === label;
  });
  return right.length / texts.length;
}

/** Trains logistic regressions with several weight decays. Returns the head with the best test accuracy. */
async function linearProbe(train: Half, test: Half): Promise<{ head: Linear; accuracy: number }> {
  let best: { head: Linear; accuracy: number } | null = null;
  for (const weightDecay of [0, 1, 10, 30]) {
    const head = Linear.create(width, intents, { generator: new Generator(1) });
    await new Trainer(head, train.texts, {
      ...{ batchSize: train.texts.length, learningRate: 0.02, schedule: "cosine", maxSteps: 200, weightDecay },
      shuffle: false,
      collate: (texts) => ({ x: rowsOf(train.vectors), y: labelsOf(texts) }),
      loss: (model, { x, y }) => crossEntropy(model.forward(affine(x, { scale })), y),
    }).train();
    const accuracy = await accuracyOf(head, test.texts, test.vectors);
    note(`linear probe, weight decay ${weightDecay}: ${percent(accuracy)}`);
    if (!best || accuracy > best.accuracy) best = { head, accuracy };
  }
  return best!;
}

/** An encoder with adapters, and a head for its embeddings. */
class Classifier extends Module {
  encoder: PeftModel<SequenceClassifier>;
  head: Linear;

  constructor(encoder: PeftModel<SequenceClassifier>, head: Linear) {
    super();
    this.encoder = encoder;
    this.head = head;
  }
}

async function adapted(folder: string): Promise<PeftModel<SequenceClassifier>> {
  const { model } = await freshModel(folder);
  const config = new LoraConfig({ r: 16, loraAlpha: 32, targetModules });
  return getPeftModel(model, config, { generator: new Generator(1) });
}

/**
 * Trains LoRA and the head, starting from the linear probe. Returns the test accuracy. Kumar et al. 2022,
 * arXiv:2202.10054.
 */
async function trainClassifier(folder: string, train: Half, test: Half, probe: Linear): Promise<number> {
  const encoder = await adapted(folder);
  const copy = (from: Tensor) => new Parameter(tensor(from.dataSync(), { shape: from.shape }));
  const head = new Linear(copy(probe.weight), copy(probe.bias as Tensor));
  const steps = Math.ceil((epochs * train.texts.length) / 32);
  await new Trainer(new Classifier(encoder, head), train.texts, {
    ...{ batchSize: 32, learningRate: 2e-3, schedule: "cosine", warmupSteps: 5, maxSteps: steps, seed: 1 },
    collate: (texts) => ({ rows: collateSequences(texts, padding), y: labelsOf(texts) }),
    loss: (model, { rows, y }) =>
      crossEntropy(model.head.forward(affine(meanPooling(model.encoder, rows), { scale })), y),
    onStep: ({ step, loss }) => step % 10 === 0 && note(`LoRA, step ${step} of ${steps}: loss ${loss.toFixed(3)}`),
  }).train();
  return accuracyOf(head, test.texts, await embed(encoder, test.texts, padding));
}

/**
 * Returns how well embeddings separate intents: the share of texts whose nearest other text has the same intent, and
 * the mean cosine within intents minus the mean cosine between intents.
 */
function separation({ texts, vectors }: Half): { nearest: number; margin: number } {
  let hits = 0;
  const sums = { inside: 0, between: 0 };
  const counts = { inside: 0, between: 0 };
  for (const [i, a] of vectors.entries()) {
    let [best, at] = [-2, -1];
    for (const [j, b] of vectors.entries()) {
      if (i === j) continue;
      let cosine = 0;
      for (let d = 0; d < a.length; d++) cosine += a[d] * b[d];
      if (cosine > best) [best, at] = [cosine, j];
      const kind = texts[i].label === texts[j].label ? "inside" : "between";
      sums[kind] += cosine;
      counts[kind]++;
    }
    if (texts[at].label === texts[i].label) hits++;
  }
  return { nearest: hits / texts.length, margin: sums.inside / counts.inside - sums.between / counts.between };
}

/**
 * Returns pairs of texts with the same intent. No two pairs of a batch have the same intent. The texts of a batch have
 * similar lengths, which reduces padding to a third.
 */
function pairsOf(texts: readonly Labelled[]) {
  const sorted = texts.toSorted((a, b) => a.inputIds.length - b.inputIds.length);
  const byIntent = [...Map.groupBy(sorted, ({ label }) => label).values()];
  const rounds = Math.max(...byIntent.map(({ length }) => Math.floor(length / 2)));
  return shuffled(rounds).flatMap((round) =>
    byIntent.flatMap((own) => {
      const [anchor, positive] = own.slice(2 * round, 2 * round + 2);
      return positive ? [{ anchor, positive }] : [];
    }),
  );
}

/** Returns the integers below `count` in a random order that is the same in every run. */
function shuffled(count: number): number[] {
  const draws = new Float32Array(count);
  new Generator(1).fillUniform(draws);
  return Array.from(draws, (_, i) => i).sort((a, b) => draws[a] - draws[b]);
}

async function contrast(folder: string, train: Half, test: Half): Promise<Half> {
  const encoder = await adapted(folder);
  const pairs = pairsOf(train.texts);
  const steps = Math.ceil((epochs * pairs.length) / intents);
  await new Trainer(encoder, pairs, {
    ...multipleNegativesRanking(padding),
    ...{ batchSize: intents, shuffle: false, learningRate: 2e-3, schedule: "cosine", maxSteps: steps },
    onStep: ({ step, loss }) => note(`contrast, step ${step} of ${steps}: loss ${loss.toFixed(3)}`),
  }).train();
  return { texts: test.texts, vectors: await embed(encoder, test.texts, padding) };
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

export async function bench(): Promise<void> {
  const folder = process.env.MINILM;
  const data = sharedPath("data/banking77_test.csv", "the banking77 benchmark");
  if (!data) return console.log(JSON.stringify({ banking77: {} }));
  if (!folder || !existsSync(folder)) throw new Error(`MINILM is ${folder}; set it to the folder of all-MiniLM-L6-v2`);
  await init(wasm({ threads: Number(process.env.THREADS ?? 1) }));
  const { train, test } = await halves(data, folder);
  const before = separation(test);
  note(`frozen embeddings: nearest ${percent(before.nearest)}, margin ${before.margin.toFixed(3)}`);
  const probe = await linearProbe(train, test);
  const after = separation(await contrast(folder, train, test));
  note(`embeddings with LoRA: nearest ${percent(after.nearest)}, margin ${after.margin.toFixed(3)}`);
  const lora = await trainClassifier(folder, train, test, probe.head);
  console.log(`\nbanking77, half of its test file trains and half tests, ${epochs} epochs; ${machine()}\n`);
  printTable(
    ["", "frozen", "with LoRA"],
    [
      ["accuracy of a linear head", percent(probe.accuracy), percent(lora)],
      ["nearest text has the same intent", percent(before.nearest), percent(after.nearest)],
      ["cosine within intents less between", before.margin.toFixed(3), after.margin.toFixed(3)],
    ],
  );
  console.log(JSON.stringify({ banking77: { probe: probe.accuracy, lora, before, after } }));
}
