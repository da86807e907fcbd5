// Trains a LoRA adapter on the embedded model Nano, which was trained on Python, to answer in JavaScript.
import { join, relative } from "node:path";
import { init, scope, tensor } from "@lowrank/core";
import { type LoadedModel, loadModel } from "@lowrank/models";
import { complete, exactMatch, generatePairs, nanoModelFolder, type TaskPair } from "@lowrank/nano";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { Trainer, tokenizeExample } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { trainProgress } from "lowrank/progress";

const seed = 1;
const output = join(import.meta.dirname, "..", "demo-output", "javascript-adapter");
const start = performance.now();
const say = (text = "") => console.log(text);

await init(wasm());
const loaded = await loadModel(nanoModelFolder);
const { model } = loaded;
const tokenizer = loaded.tokenizer as NonNullable<LoadedModel["tokenizer"]>;
const training = generatePairs({ language: "javascript", split: "train", count: 600, seed });
const test = generatePairs({ language: "javascript", split: "test", count: 485, seed });

const answers = (pairs: TaskPair[]) =>
  complete(
    model,
    tokenizer,
    pairs.map(({ prompt }) => prompt),
  );
const match = (predictions: string[]) =>
  exactMatch(
    predictions,
    test.map(({ completion }) => completion),
  );
const show = (predictions: string[]) => {
  for (const [i, { prompt }] of test.slice(0, 5).entries()) say(`  ${prompt.trim()}\n    ${predictions[i]}`);
};

say(`1. The base model answers ${test.length} requests, in words that no training example uses`);
const before = await answers(test);
const exactMatchBefore = match(before);
show(before);
say(`  exact match with JavaScript: ${(100 * exactMatchBefore).toFixed(1)} %\n`);

say(`2. LoRA (r = 8, all linear layers) on ${training.length} JavaScript examples`);
const peft = await getPeftModel(model, new LoraConfig({ r: 8, loraAlpha: 16, targetModules: "all-linear" }));
peft.printTrainableParameters();
const { trainable, all: total } = peft.getNbTrainableParameters();
const examples = await Promise.all(training.map((pair) => tokenizeExample(tokenizer, pair)));
const progress = trainProgress(process.stdout);
const trainer = new Trainer(peft, examples, {
  padTokenId: tokenizer.padTokenId ?? 0,
  maxSteps: 1200,
  batchSize: 8,
  learningRate: 3e-3,
  schedule: "cosine",
  warmupSteps: 20,
  betas: [0.9, 0.99],
  groupByLength: true,
  onStep: (report) => progress.step(report),
});
const { losses, tokens, seconds: trainingSeconds } = await trainer.train();
progress.end();
say(
  `  loss ${losses[0].toFixed(3)} -> ${losses[losses.length - 1].toFixed(3)} in ${trainingSeconds.toFixed(1)} s, ${Math.round(tokens / trainingSeconds)} tokens/s\n`,
);

say("3. The same requests again");
const after = await answers(test);
const exactMatchAfter = match(after);
show(after);
say(
  `  exact match with JavaScript: ${(100 * exactMatchBefore).toFixed(1)} % -> ${(100 * exactMatchAfter).toFixed(1)} %\n`,
);

say("4. The adapter, saved as Hugging Face PEFT saves it");
await peft.savePretrained(output);
say(`  ${relative(process.cwd(), output)}: adapter_config.json, adapter_model.safetensors, README.md\n`);

say("5. Merged into the base weights");
const probe = tokenizer.encode(`${test[0].prompt}${test[0].completion}`);
const logits = async (): Promise<Float32Array> => {
  const out = scope(() => model.forward({ inputIds: tensor([probe], { dtype: "i32" }) }).logits);
  return (await out.data()) as Float32Array;
};
const live = await logits();
await peft.mergeAndUnload();
const merged = await logits();
const mergedMaxDiff = live.reduce((worst, x, i) => Math.max(worst, Math.abs(x - merged[i])), 0);
const mergedAnswers = await answers(test);
const mergedGreedyEqual = mergedAnswers.every((answer, i) => answer === after[i]);
say(
  `  largest logit difference ${mergedMaxDiff.toExponential(1)}; greedy answers ${mergedGreedyEqual ? "equal" : "DIFFER"}\n`,
);

say(`Next, on your own model (a Hugging Face folder) and data (JSONL with "prompt" and "completion", or text):
  npx -y pnpm@12.4.2 exec lowrank train --model MODEL --data DATA.jsonl --output my-adapter
  npx -y pnpm@12.4.2 exec lowrank generate --model MODEL --adapter my-adapter --prompt "..."
  npx -y pnpm@12.4.2 exec lowrank merge --model MODEL --adapter my-adapter --output my-model
`);
const seconds = (performance.now() - start) / 1000;
const result = { exactMatchBefore, exactMatchAfter, mergedMaxDiff, mergedGreedyEqual, trainable, total, seconds };
say(JSON.stringify(result));
