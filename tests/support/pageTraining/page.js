// The page of `trainInPage`: it fine-tunes a model from its own server, with a checkpoint every
// five steps in the browser's own storage, and goes on from the newest.
import {
  getLastCheckpoint,
  getPeftModel,
  LoraConfig,
  loadModel,
  noGrad,
  opfsFiles,
  Trainer,
  tensor,
  tokenizeExample,
  urlFiles,
} from "lowrank";

const stories = [
  "Once upon a time there was a small blue boat that could not swim.",
  "Lily found a key under the tree, and it was still warm.",
  "The dog wanted the moon, so he asked the owl how to fly.",
  "Tom built a tower of snow, and it fell on his hat.",
  "A bird sang to the rain until the rain sang back.",
];

const settings = { padTokenId: 0, batchSize: 2, learningRate: 1e-2, maxSteps: 20 };

globalThis.train = async (folder) => {
  const { model, tokenizer } = await loadModel(urlFiles(new URL("/model/", location.href)));
  const config = new LoraConfig({ r: 4, targetModules: "all-linear", loraDropout: 0.1 });
  const peft = await getPeftModel(model, config);
  const examples = await Promise.all(stories.map((text) => tokenizeExample(tokenizer, { text })));
  const run = opfsFiles(folder);
  const warnings = [];
  const trainer = new Trainer(peft, examples, {
    ...settings,
    checkpoints: { folder: run, every: 5 },
    onStep: ({ step }) => globalThis.report("step", step),
    onWarning: (warning) => warnings.push(warning),
  });
  const from = (await getLastCheckpoint(run, () => {})) === null ? 0 : await trainer.resume(run);
  await globalThis.report("start", { from, warnings });
  const { losses } = await trainer.train();
  const inputIds = [examples[0].inputIds];
  const { logits } = noGrad(() => peft.forward({ inputIds: tensor(inputIds, { dtype: "i32" }) }));
  return { losses, inputIds, logits: Array.from(await logits.data()) };
};

async function bytesOf(files, name) {
  const source = await files.open(name);
  return source.read(0, source.size);
}

/** Returns the files of a folder by name, in base64. */
globalThis.filesOf = async (folder) => {
  const files = opfsFiles(folder);
  const entries = (await files.list()).sort().map(async (name) => [name, (await bytesOf(files, name)).toBase64()]);
  return Object.fromEntries(await Promise.all(entries));
};

/** Downloads a file of the storage, as a link in a page does. */
globalThis.download = async (folder, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await bytesOf(opfsFiles(folder), name)]));
  link.download = name;
  link.click();
};

/** Lets the page hang for good while it writes: after so many files have been put in their places. */
globalThis.hangAfter = (files) => {
  const { move } = FileSystemFileHandle.prototype;
  let moved = 0;
  FileSystemFileHandle.prototype.move = function (...to) {
    if (moved++ < files) return move.apply(this, to);
    globalThis.report("hang", moved);
    return new Promise(() => {});
  };
};
