import { copyInto, Generator, init, noGrad, reference, tensor } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { beforeEach, expect, it } from "vitest";
import type { Example } from "../data/tokens/example.ts";
import { type ExampleTokenizer, tokenizeExample } from "../data/tokens/tokenize.ts";
import data from "../testing/sft.json" with { type: "json" };
import { Trainer } from "./trainer.ts";

beforeEach(() => init(reference()));

const { pad_token_id: padTokenId, eos_token_id: eosTokenId } = data.sizes;
const words = ["<pad>", "<eos>"];

/** The tokenizer and the chat template of conformance/python/sft.py. */
const tokenizer: ExampleTokenizer = {
  encode: (text) =>
    text
      .split(/\s+/)
      .filter((word) => word !== "")
      .map((word) => (words.includes(word) ? words.indexOf(word) : Number(word.slice(1)))),
  eosTokenId,
  applyChatTemplate: (messages, { addGenerationPrompt = false } = {}) => {
    const turns = messages.map(({ role, content }) => (role === "assistant" ? ` w2${content} <eos>` : ` w3${content}`));
    return turns.join("") + (addGenerationPrompt ? " w2" : "");
  },
};

/** Returns a model with the weights of conformance/python/preference.py. */
function withWeights() {
  const model = createModel(
    parseModelConfig({ model_type: "llama", ...data.sizes }),
    randomParameters(new Generator(1)),
  );
  const parameters = [...model.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [place, [name, parameter]] of parameters.entries()) {
    const values = Float32Array.from({ length: parameter.size }, (_, i) => {
      const value = (((i * 7919 + place * 104729) % 1009) / 504 - 1) * 0.3;
      return name.includes("norm") ? 1 + value / 3 : value;
    });
    using made = tensor(values, { shape: parameter.shape });
    noGrad(() => copyInto(parameter, made));
  }
  return model;
}

const { completions, chats } = data;
const texts = completions.map(({ prompt, completion }) => ({ text: prompt + completion }));

it.each<[keyof typeof data.cases, readonly Example[]]>([
  ["completion", completions],
  ["whole", texts],
  ["assistant", chats],
])("20 steps on the %s have the losses and gradients of TRL's SFTTrainer", async (name, examples) => {
  const tokenized = await Promise.all(examples.map((example) => tokenizeExample(tokenizer, example)));
  const found: number[] = [];
  const { losses } = await new Trainer(withWeights(), tokenized, {
    ...{ padTokenId, batchSize: data.batchSize, shuffle: false, schedule: "constant" },
    ...{ learningRate: 1e-2, maxSteps: 20, onStep: ({ gradNorm }) => void found.push(gradNorm) },
  }).train();
  const { losses: expected, norms } = data.cases[name];
  for (const [i, loss] of losses.entries()) {
    expect(Math.abs(loss - expected[i]), `loss of step ${i + 1}`).toBeLessThan(1e-4 * expected[i]);
    expect(Math.abs(found[i] - norms[i]), `norm of step ${i + 1}`).toBeLessThan(1e-3 * norms[i]);
  }
});
