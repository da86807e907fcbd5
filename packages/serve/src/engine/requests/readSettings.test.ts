import { describe, expect, test } from "vitest";
import type { ServingRequest } from "../../api/api.ts";
import { requestOf } from "../../testing/collect.ts";
import { wordTokenizer } from "../../testing/wordTokenizer.ts";
import { penaltiesOf, type RequestLimits, readSettings } from "./readSettings.ts";

const tokenizer = wordTokenizer();
const limits: RequestLimits = { vocabSize: 98, maxModelLen: 32, maxLogprobs: 5 };
const read = (given: Partial<ServingRequest> = {}, promptTokens = 4, own: Partial<RequestLimits> = {}) => {
  const context = { tokenizer, eosTokenIds: [96, 97] };
  return readSettings(requestOf(given), Array(promptTokens).fill(1), { ...limits, ...own }, context);
};
const sampling = (given: object) => ({ sampling: { temperature: 0, ...given } });

/** Returns the field and the message of a refusal. */
async function refusal(given: Partial<ServingRequest>, promptTokens?: number, own?: Partial<RequestLimits>) {
  const error = await read(given, promptTokens, own).then(
    () => null,
    (error) => error,
  );
  return error && [error.code, error.param, error.message];
}

test("a request that sets nothing has the defaults", async () => {
  const settings = await read();
  expect(settings).toMatchObject({ prompt: [1, 1, 1, 1], maxNewTokens: 28, promptLogprobs: null });
  expect(settings.bans).toEqual({ badWords: [], stopTokenIds: [96, 97], minTokens: 0 });
  expect(settings.stops).toMatchObject({ sequences: [], texts: [] });
  const { seed } = settings.sampling;
  expect(Number.isSafeInteger(seed) && seed > 1e6).toBe(true);
  expect((await read()).sampling.seed).not.toBe(seed);
  expect(penaltiesOf({ temperature: 1 })).toEqual({ repetitionPenalty: 1, frequencyPenalty: 0, presencePenalty: 0 });
});

describe("new tokens", () => {
  test("are as many as there is room for, or as the request asks for", async () => {
    const count = async (given: Partial<ServingRequest>, prompt: number) => (await read(given, prompt)).maxNewTokens;
    expect(await count({}, 31)).toBe(1);
    expect(await count({ maxNewTokens: 2 }, 30)).toBe(2);
    expect(await count({ maxNewTokens: 1 }, 4)).toBe(1);
    expect(await count({ maxNewTokens: 0, echo: true }, 32)).toBe(0);
  });

  test("and the prompt are no more than the context length", async () => {
    const limit = "this model's maximum context length is 32 tokens";
    expect(await refusal({ maxNewTokens: 3 }, 30)).toEqual([
      "context_length_exceeded",
      "max_tokens",
      `${limit}; 33 were requested: 30 in the prompt and 3 new; shorten the prompt or ask for fewer`,
    ]);
    expect(await refusal({}, 32)).toEqual([
      "context_length_exceeded",
      "prompt",
      `${limit}; 33 were requested: 32 in the prompt and at least 1 new; shorten the prompt or ask for fewer`,
    ]);
  });

  test("are at least 1, or 0 with echo", async () => {
    for (const [given, least] of [
      [{ maxNewTokens: 0 }, 1],
      [{ maxNewTokens: 0, echo: false }, 1],
      [{ maxNewTokens: -1, echo: true }, 0],
      [{ maxNewTokens: 1.5 }, 1],
      [{ maxNewTokens: Number.NaN }, 1],
    ] as const) {
      expect(await refusal(given)).toEqual([
        ...["invalid_request", "max_tokens"],
        `max_tokens is ${given.maxNewTokens}; expected a whole number of at least ${least}`,
      ]);
    }
  });
});

test.each([
  [sampling({ seed: 0 }), sampling({ seed: -1 }), "seed", "seed is -1; expected a whole number from 0 to 2^53 - 1"],
  [sampling({ seed: 2 ** 53 - 1 }), sampling({ seed: 2 ** 53 }), "seed", "seed is 9007199254740992"],
  [sampling({ seed: 1 }), sampling({ seed: 0.5 }), "seed", "seed is 0.5"],
  [sampling({}), sampling({ temperature: -0.1 }), "sampling", "temperature is -0.1; expected a number of at least 0"],
  [sampling({ temperature: 9 }), sampling({ temperature: Infinity }), "sampling", "temperature is Infinity"],
  [sampling({ temperature: 0.1 }), sampling({ temperature: Number.NaN }), "sampling", "temperature is NaN"],
  // Sampling is checked at temperature 0 too.
  [sampling({ topP: 1 }), sampling({ topP: 1.1 }), "sampling", "topP is 1.1"],
  [sampling({ topK: 0 }), sampling({ topK: -1 }), "sampling", "topK is -1"],
  [sampling({ minP: 1 }), sampling({ minP: 1.1 }), "sampling", "minP is 1.1"],
  [sampling({ repetitionPenalty: 0.1 }), sampling({ repetitionPenalty: 0 }), "sampling", "repetitionPenalty is 0"],
  [sampling({ frequencyPenalty: -2 }), sampling({ frequencyPenalty: Infinity }), "sampling", "frequencyPenalty is"],
  [sampling({ presencePenalty: -2 }), sampling({ presencePenalty: Number.NaN }), "sampling", "presencePenalty is NaN"],
  [sampling({ logitBias: { 97: 1 } }), sampling({ logitBias: { 98: 1 } }), "logit_bias", "logit_bias holds 98"],
  [
    sampling({ logitBias: { 1: 3e38 } }),
    sampling({ logitBias: { 0: 1, 1: 1e39 } }),
    "logit_bias",
    "logit_bias of token 1 is 1e+39; expected a finite number",
  ],
  [{ logprobs: 0 }, { logprobs: -1 }, "logprobs", "logprobs is -1; expected a whole number from 0 to 5"],
  [{ logprobs: 5 }, { logprobs: 6 }, "logprobs", "logprobs is 6; expected a whole number from 0 to 5"],
  [{ promptLogprobs: 0 }, { promptLogprobs: -2 }, "prompt_logprobs", "prompt_logprobs is -2; expected a whole number"],
  [{ promptLogprobs: 5 }, { promptLogprobs: 6 }, "prompt_logprobs", "prompt_logprobs is 6; expected a whole number"],
  [{ promptLogprobs: 1 }, { promptLogprobs: 0.5 }, "prompt_logprobs", "prompt_logprobs is 0.5"],
  [
    { minTokens: 28 },
    { minTokens: 29 },
    "min_tokens",
    "min_tokens is 29; expected a whole number from 0 to the room for new tokens, which is 28",
  ],
  [
    { minTokens: 8, maxNewTokens: 8 },
    { minTokens: 9, maxNewTokens: 8 },
    "min_tokens",
    "min_tokens is 9; expected a whole number from 0 to max_tokens, which is 8",
  ],
  [{ minTokens: 0 }, { minTokens: -1 }, "min_tokens", "min_tokens is -1"],
  [{ minTokens: 1 }, { minTokens: 0.5 }, "min_tokens", "min_tokens is 0.5"],
  [{ priority: Number.MIN_SAFE_INTEGER }, { priority: -(2 ** 53) }, "priority", "priority is -9007199254740992"],
  [{ priority: Number.MAX_SAFE_INTEGER }, { priority: 2 ** 53 }, "priority", "priority is 9007199254740992"],
  [{ stopTokenIds: [0, 97] }, { stopTokenIds: [0, 98] }, "stop_token_ids", "stop_token_ids holds 98"],
  [
    { stopTokenIds: [0] },
    { stopTokenIds: [-1] },
    "stop_token_ids",
    "stop_token_ids holds -1; the model's token ids are 0",
  ],
  [
    sampling({ allowedTokenIds: [97] }),
    sampling({ allowedTokenIds: [98] }),
    "allowed_token_ids",
    "allowed_token_ids holds 98; the model's token ids are 0 to 97",
  ],
  [
    sampling({ allowedTokenIds: [0] }),
    sampling({ allowedTokenIds: [] }),
    "allowed_token_ids",
    "allowed_token_ids is empty",
  ],
  [
    sampling({ badWords: ["ab"] }),
    sampling({ badWords: [""] }),
    "bad_words",
    'bad_words holds "", which has no tokens',
  ],
  [{ stop: ["a"] }, { stop: [""] }, "stop", ""],
])("the settings %j are taken, and %j are refused", async (good, bad, param, message) => {
  expect(await refusal(good)).toBe(null);
  expect(await refusal(bad)).toEqual(["invalid_request", param, expect.stringContaining(message)]);
});

test("tokens of bad words are the model's", async () => {
  const [token] = tokenizer.encode("h", { addSpecialTokens: false });
  const given = sampling({ badWords: ["h"] });
  expect((await read(given, 4, { vocabSize: token + 1 })).bans.badWords).toContainEqual([token]);
  expect(await refusal(given, 4, { vocabSize: token })).toEqual([
    ...["invalid_request", "bad_words", `bad_words holds ${token}; the model's token ids are 0 to ${token - 1}`],
  ]);
});

test("all log-probabilities of prompts are -1, where the limit is as large as the vocabulary", async () => {
  expect((await read({ promptLogprobs: -1 }, 4, { maxLogprobs: 98 })).promptLogprobs).toBe(98);
  expect((await read({ promptLogprobs: -1 }, 4, { maxLogprobs: 99 })).promptLogprobs).toBe(98);
  expect((await read({ promptLogprobs: 0 })).promptLogprobs).toBe(0);
  expect(await refusal({ promptLogprobs: -1 }, 4, { maxLogprobs: 97 })).toEqual([
    ...["invalid_request", "prompt_logprobs"],
    "prompt_logprobs is -1, all 98 tokens of the vocabulary; the limit is 97; ask for 0 to 97",
  ]);
});
