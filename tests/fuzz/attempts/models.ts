import { join } from "node:path";
import { scope, tensor } from "@lowrank/core";
import {
  generate,
  type LoadedModel,
  type LoadModelOptions,
  loadModel,
  loadSequenceClassifier,
  Tokenizer,
} from "@lowrank/models";
import type { Module } from "@lowrank/nn";
import type { Random } from "@lowrank/test-support/random";
import { type Attempt, checkIds } from "./attempt.ts";

function release(model: Module): void {
  for (const parameter of model.parameters()) parameter.dispose();
}

async function use({ model, tokenizer }: LoadedModel): Promise<void> {
  try {
    const outputs = await generate(model, [[1, 5, 6], [1]], { maxNewTokens: 2 });
    for (const ids of outputs) checkIds("generate", ids, model.vocabSize);
    if (tokenizer) await useTokenizer(tokenizer);
  } finally {
    release(model);
  }
}

const folderOptions: readonly LoadModelOptions[] = [{}, {}, { dtype: "auto" }, { quantize: { quantType: "nf4" } }];
const ggufOptions: readonly LoadModelOptions[] = [{}, {}, { dtype: "f16" }, { weights: "packed" }];

/** Loads a language model's folder and generates two tokens. */
export const model: Attempt = async ({ files, random, accepted }) => {
  const loaded = await loadModel(files, random.pick(folderOptions));
  accepted();
  await use(loaded);
};

function ggufOptionsFor(random: Random, name: string): LoadModelOptions {
  // For files without packed blocks `loadModel` rejects the option to keep blocks before it reads anything else.
  const options = random.pick(ggufOptions);
  return options.weights && !/^q\d|sentence/.test(name) ? {} : options;
}

/** Loads a GGUF file and generates two tokens. */
export const gguf: Attempt = async ({ files, folder, random, name, accepted }) => {
  const file = "model.gguf";
  const source = await files.open(file);
  const given = folder === null ? new File([(await source.read(0, source.size)).slice()], file) : join(folder, file);
  const loaded = await loadModel(given, ggufOptionsFor(random, name));
  accepted();
  await use(loaded);
};

/** Loads a classifier's folder and classifies a batch. */
export const classifier: Attempt = async ({ files, random, accepted }) => {
  const { model: read, tokenizer } = await loadSequenceClassifier(files, random.pick(folderOptions));
  accepted();
  try {
    const { logits } = scope(() => read.forward({ inputIds: tensor([[1, 5, 6]], { dtype: "i32" }) }));
    await logits.data();
    logits.dispose();
    if (tokenizer) await useTokenizer(tokenizer);
  } finally {
    release(read);
  }
};

const texts = ["hello world", "", "hello  hell! 123's\n\u00e9\u{1f600}", "</s>wor<unk>", "a".repeat(300)];
const messages = [
  { role: "user", content: "hello" },
  { role: "assistant", content: "wor" },
];

/** Encodes and decodes texts, and renders a conversation. */
async function useTokenizer(tokenizer: Tokenizer): Promise<void> {
  const ids = [tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId].filter((id) => id !== null);
  checkIds("a special token", ids, 2 ** 24);
  for (const text of texts) {
    const encoded = tokenizer.encode(text);
    checkIds("encode", encoded, 2 ** 24);
    tokenizer.decode(encoded);
    for (const id of encoded.slice(0, 3)) tokenizer.tokenBytes(id);
  }
  if (tokenizer.chatTemplate !== null) await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
}

/** A tokenizer's folder. */
export const tokenizer: Attempt = async ({ files, accepted }) => {
  const read = await Tokenizer.fromFiles(files);
  accepted();
  await useTokenizer(read);
};
