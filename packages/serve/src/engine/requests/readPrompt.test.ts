import { describe, expect, test } from "vitest";
import type { ServingPrompt } from "../../api/api.ts";
import { requestOf } from "../../testing/collect.ts";
import { tinyTokenizer } from "../../testing/tinyModel.ts";
import { wordTokenizer } from "../../testing/wordTokenizer.ts";
import { checkWhole } from "./invalidRequest.ts";
import { readPrompt, truncated } from "./readPrompt.ts";

describe("a prompt that is cut", () => {
  const cut = (length: number, truncatePromptTokens?: number, more: object = {}) => {
    const prompt = Array.from({ length }, (_, i) => i);
    return truncated(prompt, requestOf({ truncatePromptTokens, ...more }), 10);
  };

  test("keeps its end, or its beginning", () => {
    expect(cut(5, 3)).toEqual([2, 3, 4]);
    expect(cut(5, 3, { truncationSide: "left" })).toEqual([2, 3, 4]);
    expect(cut(5, 3, { truncationSide: "right" })).toEqual([0, 1, 2]);
    expect(cut(3, 3)).toEqual([0, 1, 2]);
    expect(cut(2, 3)).toEqual([0, 1]);
    expect(cut(20)).toHaveLength(20);
  });

  test("leaves room for the new tokens: at least one", () => {
    expect(cut(20, -1)).toHaveLength(9);
    expect(cut(20, -1, { maxNewTokens: 4 })).toHaveLength(6);
    expect(cut(20, -1, { maxNewTokens: 9 })).toEqual([19]);
    expect(cut(20, 6, { maxNewTokens: 4 })).toHaveLength(6);
    expect(() => cut(20, 7, { maxNewTokens: 4 })).toThrow(
      "truncate_prompt_tokens is 7; expected -1, or a whole number up to 6: the context length 10 without 4 new tokens",
    );
  });

  test.each([
    [-1, { maxNewTokens: 10 }, "max_tokens", "10 tokens, and 10 new ones leave no space for a prompt; ask for fewer"],
    [3, { maxNewTokens: 11 }, "max_tokens", "and 11 new ones leave no space"],
    [-2, {}, "truncate_prompt_tokens", "truncate_prompt_tokens is -2; expected -1, or a whole number up to 9"],
    [1.5, {}, "truncate_prompt_tokens", "truncate_prompt_tokens is 1.5"],
    [10, {}, "truncate_prompt_tokens", "truncate_prompt_tokens is 10"],
    [0, {}, "truncate_prompt_tokens", "truncate_prompt_tokens leaves 0 tokens; keep at least 1"],
  ])("to %d with %j is refused", (given, more, param, message) => {
    expect(() => cut(20, given, more)).toThrow(
      expect.objectContaining({ param, message: expect.stringContaining(message) }),
    );
  });

  test("to a context of one token has no room, whatever the request asks for", () => {
    expect(() => truncated([1, 2], requestOf({ truncatePromptTokens: -1 }), 1)).toThrow(
      expect.objectContaining({ code: "context_length_exceeded", param: "prompt" }),
    );
  });
});

describe("an empty prompt", () => {
  const empty = async (prompt: ServingPrompt, tokenizer = tinyTokenizer(), field?: string) => {
    const error = await readPrompt(prompt, tokenizer, 98, field).catch((error) => error);
    return [error.code, error.param, error.message];
  };

  test("is refused by its field", async () => {
    const message = "the prompt has no tokens; give at least one";
    expect(await empty({ text: "" })).toEqual(["invalid_request", "prompt", message]);
    expect(await empty({ tokens: [] })).toEqual(["invalid_request", "prompt", message]);
    expect(await empty({ messages: [] })).toEqual(["invalid_request", "messages", message]);
    expect(await empty({ text: "" }, tinyTokenizer(), "input")).toEqual(["invalid_request", "input", message]);
  });

  test("is refused with the model's BOS, also if the tokenizer would add that alone", async () => {
    const words = wordTokenizer();
    const message = `the prompt has no tokens; give at least one, such as the model's BOS, ${words.bosTokenId}`;
    expect(await empty({ text: "" }, words)).toEqual(["invalid_request", "prompt", message]);
  });
});

test("ids of a prompt are the model's", async () => {
  expect(await readPrompt({ tokens: [0, 97] }, tinyTokenizer(), 98)).toEqual([0, 97]);
  for (const id of [98, -1, 0.5]) {
    await expect(readPrompt({ tokens: [0, id] }, tinyTokenizer(), 98)).rejects.toMatchObject({
      param: "prompt",
      message: `the prompt holds ${id}; the model's token ids are 0 to 97`,
    });
  }
});

test("a whole number may be left out, and keeps to both limits", () => {
  for (const value of [undefined, 2, 3, 4]) checkWhole("n", value, 2, 4);
  for (const value of [1, 5, 2.5, Number.NaN]) {
    expect(() => checkWhole("n", value, 2, 4)).toThrow(`n is ${value}; expected a whole number from 2 to 4`);
  }
});

describe("a chat", () => {
  const user = { role: "user", content: "hi" };
  const assistant = { role: "assistant", content: "yes" };
  const read = async (prompt: ServingPrompt) => {
    const tokenizer = tinyTokenizer();
    return tokenizer.decode(await readPrompt(prompt, tokenizer, tokenizer.vocabSize));
  };

  test("asks for the next message, unless its last message goes on or it asks for none", async () => {
    expect(await read({ messages: [user] })).toBe("user: hi assistant:");
    expect(await read({ messages: [user], addGenerationPrompt: false })).toBe("user: hi ");
    expect(await read({ messages: [user, assistant], continueFinalMessage: true })).toBe("user: hi assistant: yes");
    await expect(
      read({ messages: [user, assistant], continueFinalMessage: true, addGenerationPrompt: true }),
    ).rejects.toMatchObject({ param: "continue_final_message" });
  });
});
