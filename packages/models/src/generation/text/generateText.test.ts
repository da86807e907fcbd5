import { init, reference } from "@lowrank/core";
import { beforeEach, describe, expect, it } from "vitest";
import { parseGenerationConfig } from "../../config/generationConfig.ts";
import { generate } from "../decoding/generate.ts";
import { eos, ids, prefixingTokenizer, scripted, tinyModel, tokenizer } from "../testing/scriptedModel.ts";
import { type GenerateTextOptions, generateText } from "./generateText.ts";

beforeEach(() => init(reference()));

const user = (content: string) => ({ role: "user", content });

describe("generateText", () => {
  it("gives a list for a list, as each alone", async () => {
    const model = tinyModel();
    const prompts = ["a", "bcd", ids("cd", "a")];
    const options = { maxNewTokens: 6, eosTokenIds: [] };
    const alone: string[] = [];
    for (const prompt of prompts) alone.push(await generateText(model, tokenizer, prompt, options));
    const pieces = prompts.map(() => "");
    const onText = (piece: string, row: number) => {
      pieces[row] += piece;
    };
    const together = await generateText(model, tokenizer, prompts, { ...options, onText });
    expect(together).toEqual(alone);
    expect(pieces).toEqual(alone);
    expect(new Set(alone).size).toBe(3);
    expect(await generateText(model, tokenizer, [ids("a"), ids("b", "c", "d")], options)).toEqual(alone.slice(0, 2));
  });

  it("answers a chat, or several, through the chat template", async () => {
    const model = tinyModel();
    const options = { maxNewTokens: 5, eosTokenIds: [] };
    const [first, second] = ["b:aba:", "b:cda:"].map((text) => tokenizer.encode(text));
    const answers = await generateText(model, tokenizer, [first, second], options);
    expect(await generateText(model, tokenizer, [user("ab")], options)).toBe(answers[0]);
    expect(await generateText(model, tokenizer, [[user("ab")], [user("cd")]], options)).toEqual(answers);
    const begun = [user("ab"), { role: "assistant", content: "cd " }];
    const wanted = await generateText(model, tokenizer, "b:aba:cd", options);
    expect(await generateText(model, tokenizer, begun, options)).toBe(wanted);
  });

  it("adds special tokens to texts, and to neither chats nor bad words", async () => {
    const seen: number[][] = [];
    const watch = (logits: Float32Array, tokens: readonly number[]) => {
      seen.push([...tokens]);
      return logits;
    };
    const options = { maxNewTokens: 1, logitsProcessors: [watch] };
    await generateText(tinyModel(), prefixingTokenizer, "ab", options);
    await generateText(tinyModel(), prefixingTokenizer, [user("ab")], options);
    expect(seen).toEqual([[eos, ...tokenizer.encode("ab")], tokenizer.encode("b:aba:")]);
    const script = {
      maxNewTokens: 2,
      eosTokenIds: [],
      badWords: ["a"],
      logitsProcessors: [scripted(2, ids("a", "a"))],
    };
    const forbidden = (logits: Float32Array) => {
      seen.push([logits[ids("a")[0]]]);
      return logits;
    };
    await generateText(tinyModel(), prefixingTokenizer, "a", { ...script, logitsProcessors: [forbidden] });
    expect(seen.slice(2)).toEqual([[-Infinity], [-Infinity]]);
  });

  it("shows special tokens unless they are skipped", async () => {
    const run = (options: GenerateTextOptions) =>
      generateText(tinyModel(), tokenizer, "a", {
        ...{ maxNewTokens: 2, eosTokenIds: [], logitsProcessors: [scripted(1, [eos, ...ids("b")])] },
        ...options,
      });
    expect(await run({})).toBe("<eos>b");
    expect(await run({ skipSpecialTokens: true })).toBe("b");
  });

  it("ends each row at its own stop", async () => {
    const rows = [ids("a", "b", "c", "d"), ids("b", "b", "b", "a"), ids("c", "<eos>", "a", "a")];
    const options = { maxNewTokens: 4, stop: "bc", logitsProcessors: [scripted(1, ...rows)] };
    expect(await generateText(tinyModel(), tokenizer, ["a", "b", "c"], options)).toEqual(["a", "bbba", "c"]);
  });

  it("forbids bad words with and without a space before them", async () => {
    const model = tinyModel();
    const options = { maxNewTokens: 20, eosTokenIds: [], doSample: true, temperature: 5 };
    const text = await generateText(model, tokenizer, "a", options);
    const without = await generateText(model, tokenizer, "a", { ...options, badWords: ["a", "b"] });
    expect([/a/.test(text.replaceAll("ab", "")), /b/.test(text.replaceAll("ab", ""))]).toEqual([true, true]);
    expect(without.replaceAll("ab", "")).not.toMatch(/a|b/);
  });

  it("gives the text of the best beams", async () => {
    const model = tinyModel();
    const options = { maxNewTokens: 5, numReturnSequences: 2, eosTokenIds: [] };
    for (const numBeams of [2, 3]) {
      const tokens = await generate(model, [ids("a"), ids("b")], { ...options, numBeams });
      const texts = await generateText(model, tokenizer, ["a", "b"], { ...options, numBeams });
      expect(texts).toEqual(tokens.map((row) => tokenizer.decode(row)));
    }
    await expect(generateText(model, tokenizer, "a", options)).rejects.toThrow("give the prompt in a list");
  });

  it("ends at the EOS of the generation config, else at the tokenizer's", async () => {
    const model = tinyModel();
    const options = { maxNewTokens: 3, logitsProcessors: [scripted(1, ids("a", "b", "c"))] };
    expect(await generateText(model, tokenizer, "a", options)).toBe("abc");
    const config = { generationConfig: parseGenerationConfig({ eos_token_id: ids("b") }) };
    expect(await generateText(model, tokenizer, "a", { ...options, ...config })).toBe("a");
    const ended = { maxNewTokens: 3, logitsProcessors: [scripted(1, [eos])] };
    expect(await generateText(model, tokenizer, "a", ended)).toBe("");
  });
});
