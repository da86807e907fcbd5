import { cat, Generator, OptionError, ones, type Tensor, tensor } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { type CausalLM, generate, type Tokenizer } from "@lowrank/models";
import { initializeKvPrefixFromText, type PeftModel } from "@lowrank/peft";
import type { Batch } from "../data/batches/collate.ts";
import { ignoreIndex } from "../data/tokens/ignoreIndex.ts";
import type { TokenizedExample } from "../data/tokens/tokenize.ts";
import { evaluate } from "../evaluation/evaluate.ts";
import { type TrainingResult, type TrainingSettings, trainingKeys } from "../options/trainerOptions.ts";
import type { LanguageModel } from "../tasks/languageModel.ts";
import { distillation } from "../tasks/preference/distillation.ts";
import { Trainer } from "../trainer/trainer.ts";

/** Options of `distillCartridge`: the text, how answers are generated, and the options of `Trainer`. */
export interface DistillCartridgeOptions
  extends Omit<TrainingSettings<TokenizedExample>, "evaluation" | "loadBestModelAtEnd" | "metricForBestModel"> {
  text: string;
  tokenizer: Pick<Tokenizer, "encode" | "padTokenId" | "eosTokenId">;
  /**
   * Questions about the text, such as "Summarize the manual." Each sample answers one of them, in turn. Default: the
   * model continues pieces of the text.
   */
  prompts?: readonly string[];
  /** Number of answers that the model generates. Default: 64. */
  samples?: number;
  /** Number of tokens of a piece of the text that the model continues. Unused with `prompts`. Default: 16. */
  promptTokens?: number;
  /** Maximum number of tokens of an answer. Default: 32. */
  answerTokens?: number;
  /** Number of the text's tokens that the model reads for an answer. Default: all that fit in its positions. */
  contextTokens?: number;
  /** Divisor of the logits when answers are drawn. 0: the most likely tokens. Default: 1. */
  temperature?: number;
  /** True to start the cartridge from the first tokens of the text. Default: true. */
  initialize?: boolean;
}

const ownKeys = {
  ...({ text: true, tokenizer: true, prompts: true, samples: true, promptTokens: true, answerTokens: true } as const),
  ...({ contextTokens: true, temperature: true, initialize: true } as const),
};
const {
  evaluation: _,
  loadBestModelAtEnd: __,
  metricForBestModel: ___,
  ...settingKeys
} = trainingKeys as OptionKeys<TrainingSettings<TokenizedExample>>;

/** Result of `distillCartridge`. */
export interface CartridgeDistillation extends TrainingResult {
  /** The cross-entropy of the text's tokens in nats: without the cartridge, before the training, and after it. */
  textLoss: { readonly base: number; readonly start: number; readonly end: number };
}

/** An example with the part of the text that the teacher reads before it. */
interface SelfStudyExample extends TokenizedExample {
  readonly context: readonly number[];
}

/** The part of the text for each row of a batch. */
type ContextBatch = Batch & { readonly contexts: readonly (readonly number[])[] };

/**
 * Trains a cartridge on a text, with the model's own answers as teacher. First the base model answers prompts with the
 * text in its context. Then the cartridge learns the next-token distributions of these answers, without the text: the
 * loss is the Kullback-Leibler divergence from the teacher. The active adapter must be a cartridge, or another prompt
 * method that trains keys and values. Eyuboglu et al. 2025, https://arxiv.org/abs/2506.06266
 *
 * @throws `OptionError` if the text is shorter than a prompt, or does not fit in the model's positions.
 *
 * @example
 * const peft = await getPeftModel(model, new CartridgeConfig({ numVirtualTokens: 64 }));
 * const { textLoss } = await distillCartridge(peft, { text, tokenizer, learningRate: 1e-2, maxSteps: 200 });
 */
export async function distillCartridge(
  peft: PeftModel<CausalLM>,
  options: DistillCartridgeOptions,
): Promise<CartridgeDistillation> {
  checkOptions("distillCartridge", options, { ...settingKeys, ...ownKeys });
  const { text, tokenizer, prompts, samples, promptTokens, answerTokens, contextTokens, temperature, ...rest } =
    options;
  const { initialize = true, ...training } = rest;
  const tokens = tokenizer.encode(text);
  if (initialize) await initializeKvPrefixFromText(peft, tokenizer, { text, useChatTemplate: false });
  const examples = await selfStudy(peft, tokens, options);
  const padTokenId = tokenizer.padTokenId ?? tokenizer.eosTokenId ?? 0;
  const start = await textLossOf(peft, tokens, padTokenId);
  const base = await peft.disableAdapter(() => textLossOf(peft, tokens, padTokenId));
  const { collate, loss, ...task } = distillation({ teacher: peft, beta: 0, padTokenId });
  const trainer = new Trainer<PeftModel<CausalLM>, SelfStudyExample, ContextBatch>(peft, examples, {
    ...training,
    ...task,
    collate: (batch) => ({ ...collate(batch), contexts: batch.map(({ context }) => context) }),
    loss: (model, { contexts, ...batch }) => {
      return distillation({ teacher: withContexts(model, contexts), beta: 0, padTokenId }).loss(model, batch);
    },
  });
  const result = await trainer.train();
  return { ...result, textLoss: { base, start, end: await textLossOf(peft, tokens, padTokenId) } };
}

/** Returns the base model that reads a part of the text before each row. All parts have the same length. */
function withContexts(peft: PeftModel<CausalLM>, contexts: readonly (readonly number[])[]): LanguageModel {
  const before = tensor(
    contexts.map((context) => [...context]),
    { dtype: "i32", backend: peft.backend },
  );
  return {
    namedParameters: () => peft.namedParameters(),
    namedModules: () => peft.namedModules(),
    train: () => peft.train(),
    eval: () => peft.eval(),
    loss: (inputs) => peft.loss(inputs),
    forward: ({ inputIds, attentionMask }) =>
      peft.disableAdapter(() =>
        peft.forward({
          inputIds: cat([before, inputIds], { dim: 1 }),
          attentionMask: attentionMask && cat([ones(before.shape, maskOf(attentionMask)), attentionMask], { dim: 1 }),
        }),
      ),
  };
}

function maskOf({ dtype, storage }: Tensor) {
  return { dtype, backend: storage.backend };
}

/** Returns prompts with the base model's answers, which it gives with a part of the text in its context. */
async function selfStudy(
  peft: PeftModel<CausalLM>,
  tokens: readonly number[],
  options: DistillCartridgeOptions,
): Promise<SelfStudyExample[]> {
  const { tokenizer, prompts, samples = 64, promptTokens = 16, answerTokens = 32, temperature = 1, seed = 0 } = options;
  for (const [option, value] of Object.entries({ samples, promptTokens, answerTokens })) {
    if (!Number.isInteger(value) || value < 1) throw refused(option, value, "give an integer of at least 1");
  }
  if (!(temperature >= 0)) throw refused("temperature", temperature, "give a number of at least 0");
  if (prompts?.length === 0) throw refused("prompts", prompts, "give at least one prompt, or leave it out");
  const asked = prompts?.map((prompt) => tokenizer.encode(prompt, { addSpecialTokens: false }));
  const longest = asked ? Math.max(...asked.map(({ length }) => length)) : promptTokens;
  const { contextTokens = Math.min(tokens.length, peft.baseModel.maxPositions - longest - answerTokens) } = options;
  if (!Number.isInteger(contextTokens) || contextTokens < 1 || contextTokens > tokens.length) {
    const most = `the text has ${tokens.length} tokens, and the model ${peft.baseModel.maxPositions} positions`;
    throw refused("contextTokens", contextTokens, `${most}; give an integer of at least 1 that leaves room`);
  }
  if (!asked && contextTokens <= promptTokens) {
    throw refused("promptTokens", promptTokens, `the model reads ${contextTokens} tokens of the text; give fewer`);
  }
  const generator = new Generator(seed);
  const below = (count: number) => {
    const drawn = new Int32Array(1);
    generator.fillInt(drawn, 0, count);
    return drawn[0];
  };
  const examples: SelfStudyExample[] = [];
  for (let i = 0; i < samples; i++) {
    const first = below(tokens.length - contextTokens + 1);
    const context = tokens.slice(first, first + contextTokens);
    const piece = () => {
      const from = below(contextTokens - promptTokens);
      return context.slice(from, from + promptTokens);
    };
    const prompt = asked ? asked[i % asked.length] : piece();
    const answer = await peft.disableAdapter(() =>
      generate(peft, [[...context, ...prompt]], {
        ...{ maxNewTokens: answerTokens, doSample: temperature > 0, seed: seed + i },
        ...(temperature > 0 && { temperature }),
      }),
    );
    const inputIds = [...prompt, ...answer[0]];
    examples.push({ inputIds, labels: inputIds.map((id, t) => (t < prompt.length ? ignoreIndex : id)), context });
  }
  return examples;
}

function refused(option: string, value: unknown, problem: string): OptionError {
  return new OptionError("distillCartridge", option, value, `is ${JSON.stringify(value)}; ${problem}`);
}

/** Returns the mean cross-entropy of the text's tokens, in pieces that fit in the model's positions. */
async function textLossOf(peft: PeftModel<CausalLM>, tokens: readonly number[], padTokenId: number): Promise<number> {
  const virtual = peft.baseModel.virtualTokens?.count ?? 0;
  const size = Math.min(tokens.length, 256, peft.baseModel.maxPositions - virtual);
  const pieces = Array.from({ length: Math.floor(tokens.length / size) }, (_, i) => {
    const inputIds = tokens.slice(i * size, (i + 1) * size);
    return { inputIds, labels: inputIds };
  });
  return (await evaluate(peft, pieces, { padTokenId, batchSize: 1 })).loss;
}
