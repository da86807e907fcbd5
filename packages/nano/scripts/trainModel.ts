// Trains the embedded model from random weights with this repository's engine and writes model/.
// Optional arguments: the number of steps and the seed.
import { fileURLToPath } from "node:url";
import { Generator, init } from "@lowrank/core";
import { folderFiles } from "@lowrank/files";
import {
  createModel,
  loadModel,
  type ParameterSource,
  randomParameters,
  readModelConfig,
  saveModel,
  Tokenizer,
} from "@lowrank/models";
import { type TokenizedExample, Trainer, tokenizeExample } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { complete, exactMatch, generatePairs, type LanguageName, nanoModelFolder, type Split } from "../src/index.ts";

const steps = Number(process.argv[2] ?? 6000);
const seed = Number(process.argv[3] ?? 1);
const batchSize = 32;
/** The ratio of plain code in the other languages to all examples. The model is trained on it, but not tested on it. */
const plainShare = 0.12;
/** Lines in one example of plain code. */
const plainLines = 3;

await init(wasm());
const files = await folderFiles(nanoModelFolder);
const config = await readModelConfig(files);
const tokenizer = await Tokenizer.fromFiles(files);

/**
 * Draws parameters as transformers does, but with wider embeddings: tokens that only an adapter
 * will need must not start near 0.
 */
function startingParameters(generator: Generator): ParameterSource {
  const draw = randomParameters(generator);
  return (name, shape, start) => draw(name, shape, name === "model.embed_tokens.weight" ? { std: 0.1 } : start);
}

function plainCode(language: LanguageName, count: number): { text: string }[] {
  const pairs = generatePairs({ language, split: "train", count: count * plainLines, seed: seed + 1 });
  return Array.from({ length: count }, (_, at) => {
    const lines = pairs.slice(at * plainLines, (at + 1) * plainLines);
    return { text: lines.map(({ completion }) => completion).join("\n") };
  });
}

async function trainingExamples(): Promise<TokenizedExample[]> {
  const count = steps * batchSize;
  const plain = Math.round((count * plainShare) / 3);
  const others: LanguageName[] = ["javascript", "lua", "sql"];
  const examples = [
    ...generatePairs({ language: "python", split: "train", count: count - 3 * plain, seed }),
    ...others.flatMap((language) => plainCode(language, plain)),
  ];
  return Promise.all(examples.map((example) => tokenizeExample(tokenizer, example)));
}

const model = createModel(config, startingParameters(new Generator(seed)));
const trainer = new Trainer(model, await trainingExamples(), {
  padTokenId: tokenizer.padTokenId ?? 0,
  maxSteps: steps,
  batchSize,
  learningRate: 2.5e-3,
  schedule: "cosine",
  warmupSteps: 100,
  weightDecay: 0.1,
  betas: [0.9, 0.99],
  groupByLength: true,
  seed,
  onStep: ({ step, loss, learningRate, tokens, seconds }) => {
    if (step % 50 > 0) return;
    const speed = Math.round(tokens / seconds);
    console.log(
      `step ${step} of ${steps}, loss ${loss.toFixed(4)}, rate ${learningRate.toExponential(2)}, ${speed} tokens/s`,
    );
  },
});
const { tokens, seconds } = await trainer.train();
await saveModel(model, config, fileURLToPath(nanoModelFolder), { dtype: "bf16" });

// The measured model is the one on disk, whose weights are rounded to bf16.
const { model: saved } = await loadModel(nanoModelFolder);

async function measure(language: LanguageName, split: Split): Promise<number> {
  const pairs = generatePairs({ language, split, count: 970, seed });
  const answers = await complete(
    saved,
    tokenizer,
    pairs.map(({ prompt }) => prompt),
  );
  return exactMatch(
    answers,
    pairs.map(({ completion }) => completion),
  );
}

const matches: Record<string, number> = {};
for (const split of ["validation", "test"] as const) matches[`python ${split}`] = await measure("python", split);
for (const language of ["javascript", "lua", "sql"] as const)
  matches[`${language} test`] = await measure(language, "test");
console.log(JSON.stringify({ steps, seed, tokens, seconds, exactMatch: matches }));
