import { rm } from "node:fs/promises";
import { getPeftModel, LoraConfig, PromptTuningConfig } from "@lowrank/peft";
import { afterAll, expect, test, vi } from "vitest";
import { loadModel } from "../../load/loadModel.ts";
import { commandFolder } from "../../testing/commandFolder.ts";
import { Conversation } from "./conversation.ts";

const { folder, at } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const load = async () => {
  const { model, tokenizer } = await loadModel(at("model"));
  return { model, tokenizer: tokenizer!, conversation: await Conversation.with(model, tokenizer!) };
};
const settings = { doSample: false, maxNewTokens: 3, onText: () => {} };
const never = new AbortController().signal;

test("adapters have the names of their folders, with a number if a name is taken", async () => {
  for (const [i, path] of ["a/x", "b/x", "c/x", "my.own adapter"].entries()) {
    const config = new LoraConfig({ r: 1, targetModules: ["q_proj"], initLoraWeights: i === 0 });
    await (await getPeftModel((await load()).model, config)).savePretrained(at(path));
  }
  const { conversation } = await load();
  expect([conversation.active, conversation.adapters.size]).toEqual([null, 0]);
  expect(await conversation.use(at("a/x"))).toBe("x");
  expect(await conversation.use(`${at("b/x")}//`)).toBe("x-2");
  expect(await conversation.use(at("c/x"))).toBe("x-3");
  expect(await conversation.use(at("my.own adapter"))).toBe("my_own_adapter");
  expect([...conversation.adapters.keys()]).toEqual(["x", "x-2", "x-3", "my_own_adapter"]);
  expect([await conversation.use("x"), conversation.active, conversation.adapters.size]).toEqual(["x", "x", 4]);
  expect([await conversation.use(null), conversation.active]).toEqual([null, null]);
  await expect(conversation.use("nowhere")).rejects.toThrow("nowhere");
  // The cache is kept while the same adapter answers.
  const reused: boolean[] = [];
  for (const name of ["x", "x", "x-2", null, null]) {
    await conversation.use(name);
    const { reusedTokens } = await conversation.answer("a", { ...settings, maxNewTokens: 1, signal: never });
    reused.push(reusedTokens > 0);
    conversation.reset();
  }
  expect(reused).toEqual([false, true, false, false, true]);
});

test("a turn counts its tokens and its time, and fits the positions that are left", async () => {
  const { model, tokenizer, conversation } = await load();
  let now = 1000;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
  const onText = () => {
    now = 3500;
  };
  const turn = await conversation.answer("hi", { ...settings, signal: never, onText });
  clock.mockRestore();
  const prompt = await tokenizer.applyChatTemplate([{ role: "user", content: "hi" }], { addGenerationPrompt: true });
  const promptTokens = tokenizer.encode(prompt, { addSpecialTokens: false }).length;
  expect(turn).toEqual({
    ...{ text: expect.any(String), promptTokens, reusedTokens: 0, newTokens: 3, seconds: 2.5, interrupted: false },
  });
  expect(conversation.messages).toEqual([
    { role: "user", content: "hi" },
    { role: "assistant", content: turn.text },
  ]);
  const template = vi.spyOn(tokenizer, "applyChatTemplate");
  conversation.system = "be brief";
  await conversation.answer("ho", { ...settings, signal: never });
  expect(template).toHaveBeenCalledExactlyOnceWith([...conversation.transcript.slice(0, -1)], {
    addGenerationPrompt: true,
  });
  template.mockRestore();
  expect(conversation.transcript[0]).toEqual({ role: "system", content: "be brief" });
  conversation.system = null;
  conversation.reset();
  // A message that leaves one position, and one that leaves none.
  const longest = "a".repeat(model.maxPositions - 1 - promptTokens + "hi".length);
  expect((await conversation.answer(longest, { ...settings, signal: never })).newTokens).toBe(1);
  conversation.reset();
  await expect(conversation.answer(`${longest}a`, { ...settings, signal: never })).rejects.toThrow(
    "the conversation has 64 tokens, but the model has only 64 positions; start again with /reset",
  );
  expect(conversation.messages).toEqual([]);
  // Virtual tokens take positions too.
  const config = new PromptTuningConfig({ numVirtualTokens: 1, taskType: "CAUSAL_LM" });
  await (await getPeftModel((await load()).model, config)).savePretrained(at("prompt"));
  await conversation.use(at("prompt"));
  await expect(conversation.answer(longest, { ...settings, signal: never })).rejects.toThrow(
    "the conversation has 63 tokens, but the model has only 64 positions; start again with /reset",
  );
});

test("an answer that is stopped is kept, and one that fails is not", async () => {
  const { conversation } = await load();
  const controller = new AbortController();
  const onText = () => controller.abort();
  const turn = await conversation.answer("hi", { ...settings, signal: controller.signal, onText });
  expect(turn.interrupted).toBe(true);
  expect(turn.newTokens).toBeLessThan(3);
  expect(conversation.messages).toHaveLength(2);
  const fails = () => {
    throw new Error("no screen");
  };
  await expect(conversation.answer("ho", { ...settings, signal: never, onText: fails })).rejects.toThrow("no screen");
  expect(conversation.messages).toHaveLength(2);
});
