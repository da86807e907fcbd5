import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { folderFiles } from "@lowrank/files";
import { sharedPath } from "@lowrank/test-support/folders";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StreamDecoder } from "./streamDecoder.ts";
import { Tokenizer } from "./tokenizer.ts";

const models = sharedPath("models", "the tokenizers of real models");

const load = async (model: string) => Tokenizer.fromFiles(await folderFiles(join(models as string, model)));
const expected = async (file: string) => JSON.parse(await readFile(join(models as string, file), "utf8"));

function streamed(tokenizer: Tokenizer, ids: readonly number[], after: readonly number[] = []): string {
  const stream = new StreamDecoder(tokenizer, { after, skipSpecialTokens: true });
  const pieces = ids.map((id) => stream.push(id));
  for (const piece of pieces) expect(piece.endsWith("\uFFFD")).toBe(false);
  return pieces.join("") + stream.flush();
}

describe.skipIf(!models)("stories260K", () => {
  test("23 texts have the ids that run.c gives them, and decode to themselves, whole and streamed", async () => {
    const tokenizer = await load("stories260K-hf");
    const { tokenizer: cases } = await expected("expected/stories260K.json");
    expect(cases).toHaveLength(23);
    for (const { text, ids } of cases) {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(ids.slice(1));
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(text);
      expect(streamed(tokenizer, ids)).toBe(text);
    }
    expect(tokenizer).toMatchObject({ bosTokenId: 1, eosTokenId: 2, padTokenId: null, vocabSize: 512 });
  });

  test("any text comes back, whole and streamed from any point", async () => {
    const tokenizer = await load("stories260K-hf");
    const special = /\u2581|<\/?(s|unk)>/;
    const text = fc.string({ unit: "binary", minLength: 1 }).filter((s) => !special.test(s));
    fc.assert(
      fc.property(text, fc.nat(), (s, cut) => {
        const ids = tokenizer.encode(s);
        expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(s);
        const at = cut % ids.length;
        const before = tokenizer.decode(ids.slice(0, at), { skipSpecialTokens: true });
        if (!before.includes("\uFFFD") && !s.includes("\uFFFD")) {
          expect(before + streamed(tokenizer, ids.slice(at), ids.slice(0, at))).toBe(s);
        }
      }),
    );
  });

  test("broken bytes become one U+FFFD each, and do not swallow what follows", async () => {
    const tokenizer = await load("stories260K-hf");
    const [, , ...bytes] = tokenizer.encode("日");
    expect(tokenizer.decode([...bytes.slice(0, 2), 403], { skipSpecialTokens: true })).toBe("\uFFFD\uFFFD Once");
    expect(streamed(tokenizer, [403, ...bytes, bytes[0], 403])).toBe("Once日\uFFFD Once");
  });

  test("ids that do not exist and a missing chat template are errors", async () => {
    const tokenizer = await load("stories260K-hf");
    expect(() => tokenizer.decode([1, 512])).toThrow("512 is not a token id; there are ids from 0 to 511");
    const rendered = tokenizer.applyChatTemplate([{ role: "user", content: "hi" }]);
    await expect(rendered).rejects.toThrow("has no chat template");
  });
});

test.skipIf(!models)("pyspell: six prompts and completions", async () => {
  const tokenizer = await load("pyspell-hf");
  const { cases } = await expected("expected/pyspell.json");
  expect(cases).toHaveLength(6);
  for (const { prompt, prompt_ids, completion, completion_ids } of cases) {
    expect(tokenizer.encode(prompt)).toEqual(prompt_ids);
    expect(tokenizer.decode(prompt_ids, { skipSpecialTokens: true })).toBe(prompt);
    expect(streamed(tokenizer, completion_ids, prompt_ids).trimStart()).toBe(completion);
  }
});

describe.skipIf(!models)("SmolLM2", () => {
  test("71 texts have the ids of llama.cpp and decode as the Rust library does", async () => {
    const tokenizer = await load("smollm2-135m-instruct");
    const { cases } = await expected("smollm2-135m-instruct/expected/tokens.json");
    expect(cases).toHaveLength(71);
    for (const { text, ids, decoded, decoded_skip_special } of cases) {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(decoded);
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(decoded_skip_special);
      expect(streamed(tokenizer, ids)).toBe(decoded_skip_special);
    }
  });

  test("bytes that the vocabulary lacks are dropped before merging", async () => {
    const tokenizer = await load("smollm2-135m-instruct");
    expect(tokenizer.encode(']\x1d"')).toEqual([38045]);
    expect(tokenizer.encode(']"')).toEqual([38045]);
  });

  test("7 id lists, some with part of a character", async () => {
    const tokenizer = await load("smollm2-135m-instruct");
    const { decode, special_ids } = await expected("smollm2-135m-instruct/expected/tokens.json");
    expect(decode).toHaveLength(7);
    for (const { ids, text } of decode) expect(tokenizer.decode(ids)).toBe(text);
    for (const [token, id] of Object.entries(special_ids)) {
      expect(tokenizer.tokenId(token)).toBe(id);
      expect(tokenizer.encode(token)).toEqual([id]);
    }
    expect(tokenizer).toMatchObject({ bosTokenId: 1, eosTokenId: 2, padTokenId: 2, vocabSize: 49152 });
  });

  test("18 conversations render and tokenize as in Python", async () => {
    const tokenizer = await load("smollm2-135m-instruct");
    const { chats } = await expected("smollm2-135m-instruct/expected/tokens.json");
    expect(chats).toHaveLength(18);
    for (const { messages, add_generation_prompt, text, ids } of chats) {
      expect(await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: add_generation_prompt })).toBe(text);
      expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(ids);
    }
  });

  test("any text comes back, whole and streamed", async () => {
    const tokenizer = await load("smollm2-135m-instruct");
    // The vocabulary lacks the first bytes of some unassigned planes. As in the Rust library, such bytes are dropped.
    const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((s) => !s.includes("<"));
    fc.assert(
      fc.property(text, (s) => {
        const ids = tokenizer.encode(s);
        expect(tokenizer.decode(ids)).toBe(s);
        expect(streamed(tokenizer, ids)).toBe(s);
      }),
    );
  });
});
