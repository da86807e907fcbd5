import { full, init, reference } from "@lowrank/core";
import { deferred, primitives } from "@lowrank/core/testing";
import { memoryFiles } from "@lowrank/files";
import { beforeEach, describe, expect, it, test } from "vitest";
import { loadModel } from "../../checkpoint/loadModel.ts";
import { modelFileContents } from "../../checkpoint/saveModel.ts";
import { parseGenerationConfig } from "../../config/generationConfig.ts";
import { parseModelConfig } from "../../registry/configs/modelConfig.ts";
import type { GenerateOptions } from "../settings/settings.ts";
import { eos, ids, scripted, tinyModel, tokenizer } from "../testing/scriptedModel.ts";
import { generate } from "./generate.ts";

beforeEach(() => init(reference()));

const prompts = [ids("a", "b"), ids("c")];

test.each([
  [{ badWordsIds: [[]] }, "badWordsIds holds an empty list"],
  [{ repetitionPenalty: 0 }, "repetitionPenalty is 0"],
  [{ minNewTokens: -1 }, "minNewTokens is -1"],
])("%o is refused", async (options, message) => {
  await expect(generate(tinyModel(), prompts, { maxNewTokens: 1, ...options })).rejects.toThrow(message);
});

describe("stops", () => {
  it("of ids and of texts, which may span tokens, end a row; its tokens include them", async () => {
    const rows = [ids("a", "ab", "c", "d"), ids("b", "cd", "a", "a")];
    const options = { maxNewTokens: 4, logitsProcessors: [scripted(1, ...rows)] };
    const run = (more: GenerateOptions) => generate(tinyModel(), [ids("a"), ids("b")], { ...options, ...more });
    expect(await run({ stop: [ids("ab", "c"), ids("a", "b")] })).toEqual([ids("a", "ab", "c"), rows[1]]);
    expect(await run({ stop: "bc", tokenizer })).toEqual([ids("a", "ab", "c"), ids("b", "cd")]);
    expect(await run({ stopStrings: ["bc"], tokenizer })).toEqual([ids("a", "ab", "c"), ids("b", "cd")]);
    await expect(run({ stop: "bc" })).rejects.toThrow(
      `generate: to stop at the text "bc", give the model's tokenizer as the option \`tokenizer\``,
    );
    await expect(run({ stop: [""] })).rejects.toThrow(
      'stop holds ""; expected texts and lists of token ids, none empty',
    );
    await expect(run({ stop: [3] as never })).rejects.toThrow("stop holds 3");
  });

  it("end with a signal's reason, too", async () => {
    const controller = new AbortController();
    const onToken = () => controller.abort();
    const run = generate(tinyModel(), prompts, { maxNewTokens: 9, onToken, signal: controller.signal });
    await expect(run).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("beams", () => {
  it("as many as there are tokens find the likeliest of all pairs", async () => {
    const model = tinyModel();
    const [prompt] = prompts;
    const logProbabilities = async (tokens: readonly number[]) => {
      const seen: Float32Array[] = [];
      const record = (logits: Float32Array) => {
        seen.push(logits.slice());
        return logits;
      };
      await generate(model, [tokens], { maxNewTokens: 1, logitsProcessors: [record] });
      const sum = seen[0].reduce((total, x) => total + Math.exp(x), 0);
      return Array.from(seen[0], (x) => x - Math.log(sum));
    };
    const pairs: { tokens: number[]; score: number }[] = [];
    for (const [first, p] of (await logProbabilities(prompt)).entries()) {
      const after = await logProbabilities([...prompt, first]);
      pairs.push(...after.map((q, second) => ({ tokens: [first, second], score: p + q })));
    }
    const best = pairs.toSorted((a, b) => b.score - a.score).slice(0, 4);
    const options = { maxNewTokens: 2, numBeams: 13, numReturnSequences: 4 };
    expect(await generate(model, [prompt], options)).toEqual(best.map(({ tokens }) => tokens));
  });

  it.each([
    { numBeams: 3, eosTokenIds: ids("d"), noRepeatNgramSize: 2 },
    { numBeams: 2, numReturnSequences: 2, repetitionPenalty: 1.4, lengthPenalty: 0.5, suppressTokens: ids("a") },
  ])("are the same on every backend, and beside padding: %o", async (more) => {
    const options = { maxNewTokens: 8, ...more };
    const expected = await generate(tinyModel(), prompts, options);
    const count = expected.length / prompts.length;
    for (const [row, prompt] of prompts.entries()) {
      expect(await generate(tinyModel(), [prompt], options)).toEqual(expected.slice(row * count, (row + 1) * count));
    }
    for (const backend of [primitives(), deferred()]) {
      await init(backend);
      expect(await generate(tinyModel(), prompts, options)).toEqual(expected);
    }
  });

  it("end at stops, and refuse what they cannot do", async () => {
    const model = tinyModel();
    const plain = await generate(model, prompts, { maxNewTokens: 6, numBeams: 2 });
    const stop = [plain[0].slice(1, 3)];
    const stopped = await generate(model, [prompts[0]], { maxNewTokens: 6, numBeams: 2, lengthPenalty: -5, stop });
    expect(stopped[0].slice(-2)).toEqual(stop[0]);
    const run = (options: GenerateOptions) => generate(model, prompts, { maxNewTokens: 2, ...options });
    await expect(run({ numBeams: 2, numReturnSequences: 3 })).rejects.toThrow(
      "numReturnSequences is 3, more than numBeams 2",
    );
    await expect(run({ lengthPenalty: 2 })).rejects.toThrow("lengthPenalty only affects beam search");
    await expect(run({ earlyStopping: true })).rejects.toThrow("earlyStopping only affects beam search");
    await expect(run({ numBeams: 0 })).rejects.toThrow("numBeams is 0");
    await expect(run({ numBeams: 2, suppressTokens: [...Array(13).keys()] })).rejects.toThrow(
      "generate: all tokens have probability 0, so no beam can continue; forbid fewer tokens",
    );
  });
});

/** A processor that gives every row the same logits. */
const always = (...values: number[]) => [
  (logits: Float32Array) =>
    logits
      .fill(0)
      .fill(-5, values.length)
      .map((x, i) => values[i] ?? x),
];

describe("candidates of beams", () => {
  it("are enough to continue beside as many EOS tokens as there are", async () => {
    const options = { ...{ maxNewTokens: 3, numBeams: 2, lengthPenalty: 9 }, earlyStopping: "never" as const };
    const logitsProcessors = always(-0.1, -0.1, -0.1, -1);
    const run = (eosTokenIds: number[]) => generate(tinyModel(), [[5]], { ...options, logitsProcessors, eosTokenIds });
    expect((await run([0, 1, 2]))[0].slice(0, 2)).toEqual([3, 3]);
    expect((await run([]))[0]).toHaveLength(3);
  });

  it.each([
    [[], 4],
    [[11], 4],
    [[11, 12], 6],
    [[10, 11, 12], 8],
  ])("with the EOS tokens %j, %i of 13 are drawn for two beams", async (eosTokenIds, count) => {
    // One token is slightly likelier, so it is the best one whenever it is among the candidates.
    const logitsProcessors = always(0.001, ...new Array(12).fill(0));
    const options = { maxNewTokens: 1, numBeams: 2, doSample: true, logitsProcessors, eosTokenIds };
    const rows = 500;
    const best = await generate(tinyModel(), new Array(rows).fill([5]), options);
    const share = best.filter(([token]) => token === 0).length / rows;
    const expected = count / 13;
    // A tolerance of four standard deviations.
    expect(Math.abs(share - expected)).toBeLessThan(4 * Math.sqrt((expected * (1 - expected)) / rows));
  });

  it.each([
    [[], 2],
    [[11], 2],
    [[11, 12], 3],
  ])("with the EOS tokens %j, topK keeps %i at least", async (eosTokenIds, count) => {
    const options = { maxNewTokens: 1, numBeams: 5, numReturnSequences: 5, doSample: true, topK: 1, eosTokenIds };
    const best = await generate(tinyModel(), [[5]], { ...options, logitsProcessors: always(4, 3, 2, 1) });
    expect(new Set(best.map(String)).size).toBe(count);
  });

  it("end at EOS, and only there", async () => {
    const options = { maxNewTokens: 3, numBeams: 2, eosTokenIds: [4], logitsProcessors: [scripted(1, [3, 4, 5])] };
    expect(await generate(tinyModel(), [[5]], options)).toEqual([[3, 4]]);
  });

  it("name a logit from which none can be chosen", async () => {
    const run = (value: number, more: GenerateOptions = {}) =>
      generate(tinyModel(), [[5]], { maxNewTokens: 1, numBeams: 2, logitsProcessors: always(value, 1), ...more });
    await expect(run(Infinity)).rejects.toThrow("the largest logit is Infinity; no token can be chosen");
    await expect(run(Number.NaN)).rejects.toThrow("the logit of token 0 is NaN");
    await expect(run(0)).resolves.toHaveLength(1);
    const broken = Object.assign(tinyModel(), { nextLogits: () => full([1, 13], Number.NaN) });
    for (const more of [{}, { doSample: true, topP: 0.5 }]) {
      const options = { maxNewTokens: 1, numBeams: 2, ...more };
      await expect(generate(broken, [[5]], options)).rejects.toThrow("the logit of token 0 is NaN");
    }
  });
});

describe("beams that are drawn", () => {
  const drawn = (seed: number, more: GenerateOptions = {}) =>
    generate(tinyModel(), prompts, { maxNewTokens: 6, numBeams: 3, doSample: true, seed, ...more });

  it("follow from the seed, and go on from several prompts at once", async () => {
    const first = await drawn(1);
    expect(await drawn(1)).toEqual(first);
    const others = await Promise.all([2, 3, 4, 5].map((seed) => drawn(seed)));
    expect(new Set([first, ...others].map(String)).size).toBeGreaterThan(2);
    expect(await drawn(1, { numReturnSequences: 3 })).toHaveLength(3 * prompts.length);
  });

  it("are the likeliest beams where the temperature leaves nothing to chance", async () => {
    const likeliest = await generate(tinyModel(), prompts, { maxNewTokens: 6, numBeams: 3 });
    expect(await drawn(1, { temperature: 1e-4 })).toEqual(likeliest);
  });

  it.each<GenerateOptions>([{}, { topK: 7, temperature: 1.5 }, { topP: 0.9, minP: 0.05, eosTokenIds: ids("d") }])(
    "are the same on every backend: %o",
    async (more) => {
      const expected = await drawn(9, more);
      for (const backend of [primitives(), deferred()]) {
        await init(backend);
        expect(await drawn(9, more)).toEqual(expected);
      }
    },
  );

  it("leave out what topK leaves out, but as many tokens as EOS needs to be passed by", async () => {
    const greedy = (await generate(tinyModel(), prompts, { maxNewTokens: 1 })).flat();
    const firsts = new Set<number>();
    for (let seed = 0; seed < 30; seed++) {
      const options = { maxNewTokens: 1, numBeams: 2, doSample: true, topK: 1, temperature: 3, seed };
      firsts.add((await generate(tinyModel(), [prompts[0]], options))[0][0]);
    }
    expect(firsts.size).toBeLessThanOrEqual(2);
    expect(firsts).toContain(greedy[0]);
  });

  it("refuse settings out of their range", async () => {
    await expect(drawn(1, { temperature: -1 })).rejects.toThrow("temperature is -1");
    await expect(drawn(1, { numReturnSequences: 4 })).rejects.toThrow("numReturnSequences is 4, more than numBeams 3");
  });
});

describe("settings", () => {
  it("that sampling alone reads are an error without it", async () => {
    const run = (options: GenerateOptions) => generate(tinyModel(), prompts, { maxNewTokens: 2, ...options });
    await expect(run({ temperature: 0.5 })).rejects.toThrow(
      "temperature is 0.5, which only affects sampling; give doSample: true, or leave it out",
    );
    for (const options of [{ topK: 4 }, { topP: 0.5 }, { minP: 0.1 }])
      await expect(run(options)).rejects.toThrow("doSample");
    await expect(run({ numReturnSequences: 2 })).rejects.toThrow(
      "but greedy decoding gives one sequence; give doSample: true, or numBeams above 1",
    );
    await expect(run({ temperature: 1, topK: 0, topP: 1 })).resolves.toHaveLength(2);
  });

  it("draw several sequences for a prompt", async () => {
    const options = { maxNewTokens: 6, doSample: true, numReturnSequences: 3 };
    const drawn = await generate(tinyModel(), prompts, options);
    expect(drawn).toHaveLength(6);
    expect(new Set(drawn.map(String)).size).toBeGreaterThan(3);
    const repeated = prompts.flatMap((prompt) => [prompt, prompt, prompt]);
    expect(await generate(tinyModel(), repeated, { ...options, numReturnSequences: 1 })).toEqual(drawn);
  });

  it("come from generation_config.json, which the model carries, unless they are given", async () => {
    const plain = tinyModel();
    const json = { do_sample: true, temperature: 0.7, repetition_penalty: 1.5, eos_token_id: [eos], max_new_tokens: 7 };
    const config = { model_type: "llama", vocab_size: 13, hidden_size: 16, intermediate_size: 24 };
    const shape = { num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 48 };
    const contents = await modelFileContents(plain, parseModelConfig({ ...config, ...shape }));
    const files = memoryFiles(new Map([...contents, ["generation_config.json", JSON.stringify(json)]]));
    const { model, generationConfig } = await loadModel(files);
    expect(model.generationConfig).toBe(generationConfig);
    const asAdvised = { doSample: true, temperature: 0.7, repetitionPenalty: 1.5, eosTokenIds: [eos], maxNewTokens: 7 };
    expect(await generate(model, prompts)).toEqual(await generate(plain, prompts, asAdvised));
    expect(await generate(model, prompts, { generationConfig: null, maxNewTokens: 7 })).toEqual(
      await generate(plain, prompts, { maxNewTokens: 7 }),
    );
    const given = { doSample: false, repetitionPenalty: 1, eosTokenIds: [], maxNewTokens: 9 };
    expect(await generate(model, prompts, given)).toEqual(await generate(plain, prompts, given));
    const short = { ...parseGenerationConfig({ max_length: 2 }) };
    await expect(generate(plain, prompts, { generationConfig: short })).rejects.toThrow(
      "max_length of 2 leaves no room",
    );
  });
});
