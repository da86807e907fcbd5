// The sample that `pnpm check:packages` bundles: it trains a LoRA for three steps and
// generates, by the packed packages.
import {
  generateText,
  getPeftModel,
  init,
  LoraConfig,
  loadModel,
  Trainer,
  tensor,
  tokenizeExample,
  urlFiles,
  wasm,
} from "lowrank";

/** Prompts, each with its completion. */
export const pairs = [
  ["add 2 and 3", "2 + 3"],
  ["the length of name", "name.length"],
  ["print total", "console.log(total)"],
];

/** Returns the sample's numbers; `place` is the folder of the model, on disk or by its address. */
export async function runApp(place) {
  const backend = await wasm({ threads: 2 });
  await init(backend);
  const square = tensor([1, 2, 3, 4]).reshape([2, 2]);
  const product = Array.from(await square.matmul(square).data());

  const { model, tokenizer } = await loadModel(/^https?:/.test(place) ? urlFiles(place) : place);
  const peft = await getPeftModel(model, new LoraConfig({ r: 4, targetModules: "all-linear" }));
  const examples = await Promise.all(
    pairs.map(([prompt, completion]) => tokenizeExample(tokenizer, { prompt, completion })),
  );
  const losses = [];
  const trainer = new Trainer(peft, examples, {
    padTokenId: tokenizer.padTokenId ?? 0,
    batchSize: 3,
    learningRate: 1e-2,
    maxSteps: 3,
    onStep: ({ loss }) => losses.push(loss),
  });
  await trainer.train();
  const text = await generateText(model, tokenizer, "add 4 and 5", { maxNewTokens: 12 });
  const { threads } = backend;
  backend.dispose();
  return { product, threads, losses, text };
}
