import { expect, test } from "vitest";
import { type GenerationConfig, parseGenerationConfig } from "../../config/generationConfig.ts";
import type { CausalLM } from "../../model/causalLM.ts";
import type { PromptCache } from "./promptCache.ts";
import { type GenerateOptions, generationSettings } from "./settings.ts";

const read = (options: GenerateOptions, generationConfig: GenerationConfig | null = null) =>
  generationSettings(options, { generationConfig } as CausalLM);

test("defaults are those of transformers", async () => {
  expect(await read({})).toEqual({
    ...{ doSample: false, numBeams: 1, lengthPenalty: 1, earlyStopping: false, numReturnSequences: 1 },
    ...{ eosTokenIds: [], seed: 0, generationConfig: null },
  });
});

test("an option comes before the generation config, which comes before the default", async () => {
  const config = parseGenerationConfig({
    ...{ do_sample: true, num_beams: 3, top_k: 5, eos_token_id: 7, max_new_tokens: 9, max_length: 20 },
    ...{ bos_token_id: 1, pad_token_id: 2, suppress_tokens: [4] },
  });
  const advised = await read({}, config);
  expect(advised).toMatchObject({ doSample: true, numBeams: 3, topK: 5, eosTokenIds: [7], suppressTokens: [4] });
  for (const key of ["maxNewTokens", "maxLength", "bosTokenId", "padTokenId", "topP"])
    expect(advised).not.toHaveProperty(key);
  expect(await read({ numBeams: 2, eosTokenIds: [], topK: undefined }, config)).toMatchObject({
    ...{ numBeams: 2, eosTokenIds: [], topK: 5 },
  });
  expect(await read({ generationConfig: null }, config)).toMatchObject({ numBeams: 1, eosTokenIds: [] });
  expect(await read({}, parseGenerationConfig({}))).toMatchObject({ doSample: false, eosTokenIds: [] });
});

const cache = {} as PromptCache;
test.each<[GenerateOptions, string | null]>([
  [{ numBeams: 0 }, "numBeams is 0; expected a whole number of at least 1"],
  [{ numBeams: 1.5 }, "numBeams is 1.5; expected a whole number of at least 1"],
  [{ numReturnSequences: 0 }, "numReturnSequences is 0; expected a whole number of at least 1"],
  [
    { numReturnSequences: 2 },
    "numReturnSequences is 2, but greedy decoding gives one sequence; give doSample: true, or numBeams above 1",
  ],
  [{ numReturnSequences: 2, doSample: true }, null],
  [{ numReturnSequences: 1 }, null],
  [{ numBeams: 2, numReturnSequences: 2 }, null],
  [
    { numBeams: 2, numReturnSequences: 3 },
    "numReturnSequences is 3, more than numBeams 2; give numBeams of at least 3",
  ],
  [{ lengthPenalty: 2 }, "lengthPenalty only affects beam search; give numBeams above 1, or leave it out"],
  [{ lengthPenalty: 1 }, "lengthPenalty only affects beam search"],
  [{ earlyStopping: true }, "earlyStopping only affects beam search"],
  [{ earlyStopping: "never" }, "earlyStopping only affects beam search"],
  [{ earlyStopping: false }, null],
  [{ numBeams: 2, lengthPenalty: -1, earlyStopping: "never" }, null],
  [{ numBeams: 2, earlyStopping: true }, null],
  [{ numBeams: 2, earlyStopping: false }, null],
  [{ numBeams: 2, lengthPenalty: Number.NaN }, "lengthPenalty is NaN; expected a number"],
  [{ numBeams: 2, earlyStopping: "always" as "never" }, 'earlyStopping is always; expected true, false or "never"'],
  [{ numBeams: 2, promptCache: cache }, "generate: promptCache does not support beam search; give numBeams: 1"],
  [
    { numBeams: 2, onToken: () => {} },
    "generate: onToken does not support beam search, whose tokens are known only at the end; give numBeams: 1",
  ],
  [
    { numBeams: 2, numReturnSequences: 2, promptCache: cache },
    "generate: promptCache does not support beam search; give numBeams: 1",
  ],
  [
    { temperature: 0.5, topK: 1, topP: 0.5, minP: 0.5, lengthPenalty: 1, earlyStopping: true },
    "temperature is 0.5, which only affects sampling; give doSample: true, or leave it out",
  ],
  [{ promptCache: cache, onToken: () => {} }, null],
  [{ temperature: 0.5 }, "temperature is 0.5, which only affects sampling; give doSample: true, or leave it out"],
  [{ topK: 1 }, "topK is 1, which only affects sampling; give doSample: true, or leave it out"],
  [{ topP: 0.5 }, "topP is 0.5, which only affects sampling; give doSample: true, or leave it out"],
  [{ minP: 0.5 }, "minP is 0.5, which only affects sampling; give doSample: true, or leave it out"],
  [{ temperature: 2 }, "temperature is 2, which only affects sampling"],
  [{ topP: 2 }, "topP is 2, which only affects sampling"],
  [{ minP: 1 }, "minP is 1, which only affects sampling"],
  [{ temperature: 1, topK: 0, topP: 1, minP: 0 }, null],
  [{ temperature: 0.5, topK: 3, topP: 0.5, minP: 0.1, doSample: true }, null],
])("%o", async (options, message) => {
  if (message === null) expect(await read(options)).toMatchObject(options);
  else await expect(read(options)).rejects.toThrow(message);
});
