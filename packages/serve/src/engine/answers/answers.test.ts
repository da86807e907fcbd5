import type { Tokenizer } from "@lowrank/models";
import { describe, expect, test } from "vitest";
import { ServingError } from "../../api/api.ts";
import { tinyTokenizer } from "../../testing/tinyModel.ts";
import { asServingError, decode, noAdapters, noStore, unknownModel } from "./answers.ts";
import { AnswerText, type AnswerTextSettings, TokenTexts } from "./answerText.ts";

const tokenizer = tinyTokenizer();
const eos = tokenizer.eosTokenId!;
const ids = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
const [x, y, z] = ids("xyz");

describe("the text of an answer", () => {
  /** Texts of the tokens and of the end, and how it ended. */
  const pushed = (tokens: readonly number[], given: Partial<AnswerTextSettings> = {}) => {
    const text = new AnswerText(tokenizer, [], {
      ...{ eosTokenIds: [eos], stopTokenIds: [], stops: { texts: [], sequences: [], kept: [] }, minTokens: 0 },
      ...{ includeStop: false, skipSpecialTokens: true, ...given },
    });
    const pieces: string[] = [];
    for (const token of tokens) if (!text.ended) pieces.push(text.push(token));
    return [...pieces, text.flush(), text.ended, text.stopReason];
  };
  const stops = (texts: readonly string[], sequences: readonly (readonly number[])[] = []) => ({
    stops: { texts, sequences, kept: [] },
  });

  test.each<[string, number[], Partial<AnswerTextSettings>, unknown[]]>([
    ["an end token", [x, eos, y], {}, ["x", "", "", true, null]],
    ["no end", [x, y], {}, ["x", "y", "", false, null]],
    ["an end token after the least tokens", [eos, x, eos, y], { minTokens: 2 }, ["", "x", "", "", true, null]],
    ["an end token that is the last of the least", [x, eos, y], { minTokens: 2 }, ["x", "", "y", "", false, null]],
    ["a stop token", [x, y], { stopTokenIds: [y] }, ["x", "", "", true, y]],
    ["a stop token that is kept", [x, y], { stopTokenIds: [y], includeStop: true }, ["x", "y", "", true, y]],
    ["a stop token too early", [y, y], { stopTokenIds: [y], minTokens: 1 }, ["y", "", "", true, y]],
    ["an end token that is a stop too", [eos], { stopTokenIds: [eos] }, ["", "", true, null]],
    ["a sequence of tokens", [x, y, z], stops([], [[x, y]]), ["", "", "", true, null]],
    ["a text", [z, x, y, z], stops(["xy"]), ["z", "", "", "", true, "xy"]],
    ["a text that is kept", [x, y], { ...stops(["xy"]), includeStop: true }, ["", "xy", "", true, "xy"]],
    ["the beginning of a text", [z, x], stops(["xy"]), ["z", "", "x", false, null]],
    ["the beginning of a sequence", [z, x], stops([], [[x, y]]), ["z", "", "x", false, null]],
  ])("with %s", (_, tokens, settings, expected) => {
    expect(pushed(tokens, settings)).toEqual(expected);
  });
});

test("a token has its text and bytes, and one beyond the vocabulary has none", () => {
  let reads = 0;
  const bytes = [[104, 105], [0xef, 0xbb, 0xbf, 97], [0xc3]];
  const texts = new TokenTexts({
    vocabSize: 3,
    tokenBytes: (token: number) => {
      reads++;
      return Uint8Array.from(bytes[token]);
    },
  } as unknown as Tokenizer);
  expect([0, 1, 2, 3, 0].map((token) => texts.of(token))).toEqual([
    { text: "hi", bytes: bytes[0] },
    { text: "\ufeffa", bytes: bytes[1] },
    { text: "\ufffd", bytes: bytes[2] },
    { text: "", bytes: [] },
    { text: "hi", bytes: bytes[0] },
  ]);
  expect(reads).toBe(3);
});

test("tokens are decoded if all are ids of the vocabulary", () => {
  expect(decode(tokenizer, [x, y, z])).toBe("xyz");
  expect(decode(tokenizer, [0, eos])).toBe(tokenizer.decode([0, eos]));
  for (const bad of [-1, 0.5, eos + 1]) {
    expect(() => decode(tokenizer, [x, bad])).toThrow(`${bad} is no token id; there are ids from 0 to ${eos}`);
  }
});

test("an engine without adapters has no counts of them, and errors keep their cause", () => {
  expect(noAdapters).toEqual({
    ...{ registered: 0, resident: 0, bytes: 0, hits: 0, loads: 0, evictions: 0, failures: 0 },
  });
  expect(noStore()).toMatchObject({ code: "invalid_request", param: "lora_name" });
  expect(unknownModel("m")).toMatchObject({ code: "not_found", param: "model" });
  const [own, other] = [new ServingError("not_found", "none"), new Error("disk")];
  expect(asServingError(own)).toBe(own);
  expect(asServingError(other)).toMatchObject({ code: "unavailable", cause: other });
});
