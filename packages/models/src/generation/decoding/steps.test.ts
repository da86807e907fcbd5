import { init, reference } from "@lowrank/core";
import type { KVCache } from "@lowrank/nn";
import { beforeEach, describe, expect, test } from "vitest";
import { parseGenerationConfig } from "../../config/generationConfig.ts";
import type { CausalLM } from "../../model/causalLM.ts";
import { PromptCache } from "../settings/promptCache.ts";
import type { GenerateOptions } from "../settings/settings.ts";
import { eos, ids, scripted, tinyModel, tokenizer } from "../testing/scriptedModel.ts";
import { defaultEos } from "../text/textPieces.ts";
import { generate } from "./generate.ts";
import { repeated } from "./steps.ts";

beforeEach(() => init(reference()));

describe("the number of new tokens", () => {
  // The model has 48 positions.
  const long = (length: number) => new Array<number>(length).fill(1);
  const count = async (prompt: number[], options: GenerateOptions) =>
    (await generate(tinyModel(), [prompt], options))[0].length;
  const config = (json: object) => ({ generationConfig: parseGenerationConfig(json) });

  test("all that fit, unless fewer are asked for or advised", async () => {
    expect(await count(long(46), {})).toBe(2);
    expect(await count(long(46), { maxNewTokens: 2 })).toBe(2);
    expect(await count(long(46), { maxNewTokens: 1 })).toBe(1);
    expect(await count(long(46), config({ max_new_tokens: 1 }))).toBe(1);
    expect(await count(long(46), config({ max_new_tokens: 3 }))).toBe(2);
    expect(await count(long(46), { ...config({ max_new_tokens: 1 }), maxNewTokens: 2 })).toBe(2);
    expect(await count(long(4), config({ max_length: 7 }))).toBe(3);
    expect(await count(long(4), config({ max_length: 5 }))).toBe(1);
    expect(await count(long(46), config({ max_length: 99 }))).toBe(2);
    expect(await count(long(4), config({ max_length: 4, max_new_tokens: 2 }))).toBe(2);
    expect(await count(long(4), { ...config({ max_length: 4 }), maxNewTokens: 2 })).toBe(2);
  });

  test("more than fit are refused, and so is an advised length without room", async () => {
    await expect(count(long(46), { maxNewTokens: 3 })).rejects.toThrow(
      "generate: 46 prompt tokens and 3 new ones exceed the model's 48 positions",
    );
    await expect(count(long(49), {})).rejects.toThrow(
      "49 prompt tokens and 0 new ones exceed the model's 48 positions",
    );
    expect(await count(long(48), { maxNewTokens: 0 })).toBe(0);
    expect(await count(long(48), {})).toBe(0);
    const prefixed = Object.assign(tinyModel(), { virtualTokens: { count: 3 } });
    await expect(generate(prefixed, [long(40)], { maxNewTokens: 6 })).rejects.toThrow(
      "generate: 3 virtual tokens, 40 prompt tokens and 6 new ones exceed the model's 48 positions",
    );
    await expect(count(long(4), config({ max_length: 4 }))).rejects.toThrow(
      "the model's max_length of 4 leaves no room after 4 prompt tokens; give maxNewTokens",
    );
  });

  test("the longest prompt counts", async () => {
    const rows = await generate(tinyModel(), [long(2), long(47)], {});
    expect(rows.map((row) => row.length)).toEqual([1, 1]);
  });
});

test.each<[unknown, string]>([
  ["ab", "prompts are lists of token ids, as in [tokenizer.encode(text)], and generateText takes a text; string was"],
  [[5], "the ids of one prompt were given; write [ids]"],
  [[5, [6]], "the ids of one prompt were given; write [ids]"],
  [["a"], "prompt 0 is string"],
  [[[5], "a"], "prompt 1 is string"],
])("%j as prompts is refused", async (prompts, message) => {
  await expect(generate(tinyModel(), prompts as number[][], { maxNewTokens: 1 })).rejects.toThrow(message);
});

test("an empty prompt is named", async () => {
  for (const [prompts, name] of [
    [[], 0],
    [[[]], 0],
    [[[1], []], 1],
  ] as const) {
    await expect(generate(tinyModel(), prompts, { maxNewTokens: 1 })).rejects.toThrow(`prompt ${name} is empty`);
  }
});

test("a model that trains goes on training after a generation, and others do not", async () => {
  const model = tinyModel();
  for (const training of [true, false]) {
    model.train(training);
    await generate(model, [ids("a")], { maxNewTokens: 1 });
    expect(model.training).toBe(training);
    await expect(generate(model, [ids("a")], { maxNewTokens: 99 })).rejects.toThrow();
    expect(model.training).toBe(training);
  }
});

test("rows of different lengths have the tokens that each has alone, with penalties and without", async () => {
  const prompts = [ids("a", "b", "c", "a"), ids("d"), ids("ab", "c")];
  for (const options of [{}, { repetitionPenalty: 1.9 }, { frequencyPenalty: 1, presencePenalty: 0.5 }]) {
    const settings = { maxNewTokens: 5, ...options };
    const alone = await Promise.all(prompts.map((prompt) => generate(tinyModel(), [prompt], settings)));
    expect(await generate(tinyModel(), prompts, settings)).toEqual(alone.flat());
  }
});

test("a row that has ended waits for the others", async () => {
  const script = scripted(1, [eos], ids("a", "b", "c"));
  const options = { maxNewTokens: 3, eosTokenIds: [eos], logitsProcessors: [script], repetitionPenalty: 1.5 };
  expect(await generate(tinyModel(), [ids("a"), ids("b")], options)).toEqual([[eos], ids("a", "b", "c")]);
});

test("the first row without a token is refused, beside rows of the first token", async () => {
  for (const empty of [0, 1]) {
    const logitsProcessors: GenerateOptions["logitsProcessors"] = [
      (logits, _, row) => (row === empty ? logits.fill(-Infinity) : logits.fill(0).fill(1, 0, 1)),
    ];
    await expect(generate(tinyModel(), [ids("a"), ids("b")], { maxNewTokens: 1, logitsProcessors })).rejects.toThrow(
      "the largest logit is -Infinity; no token can be chosen",
    );
  }
});

test("a row without a token to choose is refused, unless it has ended", async () => {
  const run = (empty: number, more: GenerateOptions = {}) => {
    const logitsProcessors: GenerateOptions["logitsProcessors"] = [
      (logits, tokens, row) => {
        logits.fill(row === empty ? (tokens.length > 1 ? -Infinity : 0) : 1, 1);
        if (tokens.length === 1) logits[row === 0 ? eos : 1] = 5;
        return logits;
      },
    ];
    return generate(tinyModel(), [ids("a"), ids("b")], {
      maxNewTokens: 2,
      eosTokenIds: [eos],
      logitsProcessors,
      ...more,
    });
  };
  expect((await run(-1))[0]).toEqual([eos]);
  // The first row has ended, the second continues.
  expect((await run(0))[0]).toEqual([eos]);
  const forbidding: GenerateOptions = {
    maxNewTokens: 1,
    logitsProcessors: [(logits, _, row) => (row === 1 ? logits.fill(-Infinity) : logits)],
  };
  await expect(generate(tinyModel(), [ids("a"), ids("b")], forbidding)).rejects.toThrow(
    "the largest logit is -Infinity; no token can be chosen",
  );
  const none: GenerateOptions = { maxNewTokens: 1, logitsProcessors: [(logits) => logits] };
  expect(await generate(tinyModel(), [ids("a"), ids("b")], none)).toHaveLength(2);
  const broken: GenerateOptions = {
    maxNewTokens: 1,
    logitsProcessors: [(logits, _, row) => (row === 0 ? logits.fill(Number.NaN) : logits)],
  };
  await expect(generate(tinyModel(), [ids("a"), ids("b")], broken)).rejects.toThrow("NaN");
});

test("the ends of a text are the generation config's, else the tokenizer's", () => {
  expect(defaultEos(parseGenerationConfig({ eos_token_id: [3, 4] }), tokenizer)).toEqual([3, 4]);
  expect(defaultEos(parseGenerationConfig({ eos_token_id: 0 }), tokenizer)).toEqual([0]);
  expect(defaultEos(parseGenerationConfig({}), tokenizer)).toEqual([eos]);
  expect(defaultEos(null, tokenizer)).toEqual([eos]);
});

test("all settings of the logits may be given at once, and each alone", async () => {
  const [prompt, banned] = [ids("a", "b"), ids("c")[0]];
  const favoured = [(logits: Float32Array) => logits.fill(0).fill(9, banned, banned + 1)];
  const neutral: GenerateOptions = {
    ...{ repetitionPenalty: 1, frequencyPenalty: 0, presencePenalty: 0, noRepeatNgramSize: 0, minNewTokens: 0 },
    ...{ badWordsIds: [], suppressTokens: [], logitsProcessors: [] },
  };
  const run = async (options: GenerateOptions) =>
    (await generate(tinyModel(), [prompt], { maxNewTokens: 3, ...options }))[0];
  const free = await run({});
  expect(await run(neutral)).toEqual(free);
  expect(await run({ ...neutral, logitsProcessors: favoured })).toEqual(new Array(3).fill(banned));
  expect(await run({ suppressTokens: free })).not.toContain(free[0]);
  expect(await run({ badWordsIds: free.map((id) => [id]) })).not.toContain(free[0]);
  expect(await run({ eosTokenIds: [free[0]] })).toEqual([free[0]]);
  expect((await run({ eosTokenIds: [free[0]], minNewTokens: 1 }))[0]).not.toBe(free[0]);
});

test("items are repeated one after the other", () => {
  expect([repeated([1, 2], 2), repeated([1], 0)]).toEqual([[1, 1, 2, 2], []]);
});

describe("a prompt cache", () => {
  /** Returns a model whose cache keeps all tokens up to its capacity. `made` lists the capacities of its caches. */
  function model({ maxPositions = 9000, cachedPositions = 9000, virtual = 0 } = {}) {
    const made: number[] = [];
    const truncated: number[] = [];
    const createCache = (_batch: number, capacity: number) => {
      made.push(capacity);
      const truncate = (length: number) => {
        truncated.push(length);
        return length;
      };
      return { capacity: capacity + virtual, truncate, dispose: () => {} } as unknown as KVCache;
    };
    const virtualTokens = virtual > 0 ? { count: virtual } : null;
    return {
      model: { maxPositions, cachedPositions, virtualTokens, createCache } as unknown as CausalLM,
      made,
      truncated,
    };
  }

  test("has room for twice the tokens, 2048 at least, and no more than the model's positions", () => {
    for (const [capacity, maxPositions, room] of [
      [3, 9000, 2048],
      [1024, 9000, 2048],
      [1025, 9000, 2050],
      [3, 100, 100],
      [99, 100, 100],
    ]) {
      const { model: own, made } = model({ maxPositions });
      new PromptCache().open(own, [[1]], capacity);
      expect(made).toEqual([room]);
    }
    const { model: own, made } = model({ maxPositions: 100, virtual: 10 });
    new PromptCache().open(own, [[1]], 20);
    expect(made).toEqual([90]);
  });

  test("is empty at first", () => {
    const cache = new PromptCache();
    expect([cache.reused, cache.length]).toEqual([0, 0]);
  });

  test("is made again for another model, and when its room is too small", () => {
    const { model: own, made } = model({ virtual: 4 });
    const cache = new PromptCache();
    cache.open(own, [[1]], 2048);
    cache.open(own, [[1]], 4096);
    expect(made).toEqual([4096]);
    cache.open(own, [[1]], 4097);
    expect(made).toEqual([4096, 8194]);
    const other = model();
    cache.open(other.model, [[1]], 10);
    expect(other.made).toEqual([2048]);
  });

  test("keeps what is the same, but the prompt's last token", () => {
    for (const virtual of [0, 4]) {
      const { model: own, truncated } = model({ virtual });
      const cache = new PromptCache();
      const open = (prompt: number[]) => {
        cache.open(own, [prompt], 10);
        const { reused } = cache;
        cache.push(prompt.slice(reused));
        return [reused, truncated.at(-1), cache.length];
      };
      expect(open([1, 2, 3])).toEqual([0, 0, 3]);
      expect(open([1, 2, 3])).toEqual([2, 2 + virtual, 3]);
      expect(open([1, 2, 3, 4, 5])).toEqual([3, 3 + virtual, 5]);
      expect(open([1, 2, 9])).toEqual([2, 2 + virtual, 3]);
      expect(open([1, 2])).toEqual([1, 1 + virtual, 2]);
      expect(open([7, 2])).toEqual([0, 0, 2]);
      cache.clear();
      expect([cache.reused, cache.length]).toEqual([0, 0]);
    }
  });

  test("begins again where a text grows longer than the positions that turn alike, or shorter", () => {
    for (const virtual of [0, 2]) {
      const { model: own } = model({ cachedPositions: 4 + virtual, virtual });
      const cache = new PromptCache();
      const reused = (length: number) => {
        const prompt = Array.from({ length }, (_, i) => i);
        cache.open(own, [prompt], 10);
        cache.push(prompt.slice(cache.reused));
        return cache.reused;
      };
      expect([reused(3), reused(4), reused(5), reused(6), reused(4)]).toEqual([0, 3, 0, 5, 0]);
    }
  });
});
