import { init, reference } from "@lowrank/core";
import { beforeEach, expect, it, vi } from "vitest";
import { generate } from "../decoding/generate.ts";
import { ids, tinyModel } from "../testing/scriptedModel.ts";
import { PromptCache } from "./promptCache.ts";

beforeEach(() => init(reference()));

it("runs only what is new of a prompt, with the same tokens", async () => {
  const [model, plain] = [tinyModel(), tinyModel()];
  const runs = vi.spyOn(model, "nextLogits");
  using promptCache = new PromptCache();
  let prompt = ids("a", "b", "c", "d");
  const lengths: number[] = [];
  for (const more of [ids("ab", "cd"), ids("b"), ids("d", "d", "a")]) {
    runs.mockClear();
    const [tokens] = await generate(model, [prompt], { maxNewTokens: 4, promptCache });
    expect([tokens]).toEqual(await generate(plain, [prompt], { maxNewTokens: 4 }));
    lengths.push(runs.mock.calls[0][0].inputIds.shape[1]);
    expect(promptCache.reused).toBe(prompt.length - lengths[lengths.length - 1]);
    prompt = [...prompt, ...tokens, ...more];
  }
  // The last generated token was not run, so it is not cached.
  expect(lengths).toEqual([4, 1 + 2, 1 + 1]);
});

it("goes back to where a prompt differs, and runs its last token again at least", async () => {
  const model = tinyModel();
  using promptCache = new PromptCache();
  const tokens = (prompt: number[]) => generate(model, [prompt], { maxNewTokens: 3, promptCache });
  const prompt = ids("a", "b", "c", "d", "ab");
  const first = await tokens(prompt);
  expect(await tokens(prompt)).toEqual(first);
  expect(promptCache.reused).toBe(4);
  const other = ids("a", "b", "d", "d");
  expect(await tokens(other)).toEqual(await generate(tinyModel(), [other], { maxNewTokens: 3 }));
  expect(promptCache.reused).toBe(2);
  promptCache.clear();
  await tokens(other);
  expect(promptCache.reused).toBe(0);
});

it("counts all of a prompt for penalties, and refuses more than one sequence", async () => {
  const model = tinyModel();
  using promptCache = new PromptCache();
  const prompt = ids("a", "b", "c");
  const options = { maxNewTokens: 5, repetitionPenalty: 1.8 };
  const expected = await generate(model, [prompt], options);
  for (let turn = 0; turn < 2; turn++) {
    expect(await generate(model, [prompt], { ...options, promptCache })).toEqual(expected);
  }
  await expect(generate(model, [prompt, prompt], { maxNewTokens: 1, promptCache })).rejects.toThrow(
    "promptCache supports one prompt, but 2 were given",
  );
  await expect(generate(model, [prompt], { maxNewTokens: 1, numBeams: 2, promptCache })).rejects.toThrow("numBeams: 1");
});
