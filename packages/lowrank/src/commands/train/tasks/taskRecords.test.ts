import type { Tokenizer } from "@lowrank/models";
import { describe, expect, test } from "vitest";
import {
  contrastForm,
  contrastReader,
  ktoForm,
  ktoReader,
  pairForm,
  pairReader,
  rewardForm,
  rewardReader,
  taggedForm,
  taggedReader,
} from "./taskRecords.ts";

/** Tokenizer with one token per character. */
const tokenizer = {
  encode: (text: string) => [...text].map((letter) => letter.charCodeAt(0)),
} as unknown as Tokenizer;
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

/** Returns the examples that a form parses from records, or its error message. */
function readBy(form: { parse(record: { value: unknown; where: string }): unknown }) {
  return (value: unknown) => {
    try {
      return form.parse({ value, where: "a.jsonl:3" });
    } catch (error) {
      return (error as Error).message;
    }
  };
}

describe("a pair", () => {
  const read = readBy(pairForm);
  const expected = 'expected {"prompt", "chosen", "rejected"}';

  test("is texts", () => {
    expect(read({ prompt: "p", chosen: "c", rejected: "r", more: 1 })).toEqual({
      ...{ prompt: "p", chosen: "c", rejected: "r" },
    });
    expect(read({ prompt: "", chosen: "c", rejected: "" })).toEqual({ prompt: "", chosen: "c", rejected: "" });
  });

  test("is conversations with a prompt", () => {
    const pair = { prompt: [user("a")], chosen: [assistant("b")], rejected: [assistant("c")] };
    expect(read(pair)).toEqual(pair);
  });

  test("without a prompt has the messages in common as its prompt, all but the last", () => {
    const chosen = [user("a"), assistant("b"), user("c"), assistant("good")];
    const rejected = [user("a"), assistant("b"), user("d"), assistant("bad")];
    expect(read({ chosen, rejected })).toEqual({
      ...{ prompt: chosen.slice(0, 2), chosen: chosen.slice(2), rejected: rejected.slice(2) },
    });
    const longer = [user("a"), assistant("b"), user("c")];
    expect(read({ chosen: longer, rejected: longer.slice(0, 2) })).toEqual({
      ...{ prompt: [user("a")], chosen: longer.slice(1), rejected: [assistant("b")] },
    });
    expect(read({ chosen: longer.slice(0, 2), rejected: longer })).toEqual({
      ...{ prompt: [user("a")], chosen: [assistant("b")], rejected: longer.slice(1) },
    });
  });

  test.each([
    [{ prompt: "p", chosen: "c", rejected: "c" }, "chosen and rejected are the same", "prompt, chosen, rejected"],
    [{ chosen: [user("a")], rejected: [user("a")] }, "chosen and rejected are the same", "chosen, rejected"],
    [{ prompt: "p", chosen: "", rejected: "c" }, "chosen is empty", "prompt, chosen, rejected"],
    [{ prompt: "p", chosen: "c" }, "chosen or rejected is neither a text nor a list of messages", "prompt, chosen"],
    [{ chosen: "c", rejected: "r" }, "chosen or rejected is neither a text nor a list of messages", "chosen, rejected"],
    [
      { prompt: "p", chosen: 1, rejected: "r" },
      "chosen or rejected is neither a text nor a list of messages",
      "prompt, chosen, rejected",
    ],
    [
      { chosen: [], rejected: [user("a")] },
      "chosen or rejected is neither a text nor a list of messages",
      "chosen, rejected",
    ],
    [
      { chosen: [user("a")], rejected: [{ role: "user" }] },
      "chosen or rejected is neither a text nor a list of messages",
      "chosen, rejected",
    ],
    [
      { chosen: [user("a")], rejected: [null] },
      "chosen or rejected is neither a text nor a list of messages",
      "chosen, rejected",
    ],
    [
      { prompt: "p", chosen: [user("a")], rejected: [user("b")] },
      "prompt is not a list of messages, although chosen and rejected are",
      "prompt, chosen, rejected",
    ],
    [
      { chosen: [user("a"), assistant("x")], rejected: [user("b"), assistant("x")] },
      "prompt is missing, and chosen and rejected do not begin with the same message",
      "chosen, rejected",
    ],
    [
      { chosen: [user("a")], rejected: [user("b")] },
      "prompt is missing, and chosen and rejected do not begin with the same message",
      "chosen, rejected",
    ],
    [null, "chosen and rejected are the same", "none"],
    ["text", "chosen and rejected are the same", "0, 1, 2, 3"],
  ])("is refused by its fields: %j", (value, problem, keys) => {
    const found = String(read(value));
    expect(found.startsWith(`a.jsonl:3: ${problem}`)).toBe(true);
    expect(found.endsWith(`; ${expected}, found keys ${keys}`)).toBe(true);
  });
});

test("a judged answer is texts or messages with a label, which a table writes as text", () => {
  const read = readBy(ktoForm);
  const text = { prompt: "p", completion: "c" };
  for (const [label, desirable] of [
    ...[true, "true", "True", "TRUE", 1, "1"].map((one) => [one, true] as const),
    ...[false, "false", "False", 0, "0"].map((one) => [one, false] as const),
  ]) {
    expect(read({ ...text, label })).toEqual({ ...text, desirable });
  }
  const chat = { prompt: [user("a")], completion: [assistant("b")] };
  expect(read({ ...chat, label: true })).toEqual({ ...chat, desirable: true });
  const end = '; expected {"prompt", "completion", "label"} with a label of true or false, found keys';
  expect(read({ ...text, label: "yes" })).toBe(`a.jsonl:3: label is "yes"${end} prompt, completion, label`);
  expect(read(text)).toBe(`a.jsonl:3: label is undefined${end} prompt, completion`);
  expect(read({ ...text, completion: "", label: 1 })).toContain("completion is empty");
  expect(read({ ...text, prompt: "", label: 1 })).toEqual({ ...text, prompt: "", desirable: true });
  for (const wrong of [{ prompt: 1 }, { completion: 1 }, { prompt: [user("a")] }, { completion: [user("a")] }]) {
    expect(read({ ...text, ...wrong, label: 1 })).toContain("prompt or completion is not a text");
  }
});

test("a rewarded pair has a prompt or none, and a margin or none", () => {
  const read = readBy(rewardForm);
  const pair = { prompt: "", chosen: "c", rejected: "r" };
  expect(read({ chosen: "c", rejected: "r" })).toEqual({ pair });
  expect(read({ prompt: "p", chosen: "c", rejected: "r" })).toEqual({ pair: { ...pair, prompt: "p" } });
  for (const margin of [undefined, null, ""]) expect(read({ ...pair, margin })).toEqual({ pair });
  for (const [margin, ahead] of [
    [0, 0],
    ["0.5", 0.5],
    [-2, -2],
  ]) {
    expect(read({ ...pair, margin })).toEqual({ pair, margin: ahead });
  }
  expect(read({ ...pair, margin: "wide" })).toContain('a.jsonl:3: margin is "wide"; expected {"chosen", "rejected"}');
  expect(read({ ...pair, margin: Number.POSITIVE_INFINITY })).toContain("margin is null");
  const chosen = [user("a"), assistant("b")];
  const rejected = [user("a"), assistant("c")];
  expect(read({ chosen, rejected })).toEqual({
    pair: { prompt: [user("a")], chosen: [assistant("b")], rejected: [assistant("c")] },
  });
  expect(read({ chosen: "c", rejected })).toContain("chosen or rejected is neither a text nor a list of messages");
});

describe("tagged words", () => {
  const named = readBy(taggedForm(["O", "B", "7"]));
  const any = readBy(taggedForm(null));

  test("are lists, or texts with spaces between", () => {
    const found = { words: ["Ann", "ran"], tags: ["B", "O"] };
    expect(named({ words: ["Ann", "ran"], tags: ["B", "O"] })).toEqual(found);
    expect(named({ words: " Ann  ran\n", tags: "B O" })).toEqual(found);
    expect(named({ tokens: ["Ann", "ran"], ner_tags: ["B", "O"] })).toEqual(found);
    expect(named({ words: ["Ann", "ran"], tokens: ["x"], tags: ["B", "O"], ner_tags: [] })).toEqual(found);
    expect(any({ words: "Ann ran", tags: "PER X" })).toEqual({ words: ["Ann", "ran"], tags: ["PER", "X"] });
  });

  test("have tags by name or number; a label that is a number is a name", () => {
    expect(named({ words: "a b c d", tags: [0, 1, "1", "7"] })).toMatchObject({ tags: ["O", "B", "B", "7"] });
    expect(named({ words: "a", tags: [2] })).toMatchObject({ tags: ["7"] });
    expect(named({ words: "a", tags: [3] })).toContain(
      "a.jsonl:3: a tag is 3, which is not among the labels O, B, 7; expected",
    );
    expect(named({ words: "a", tags: ["3"] })).toContain('a tag is "3", which is not among the labels O, B, 7');
    expect(named({ words: "a", tags: [-1] })).toContain("a tag is -1, which is not among the labels");
    expect(named({ words: "a", tags: ["I"] })).toContain('a tag is "I", which is not among the labels O, B, 7');
    expect(named({ words: "a", tags: [null] })).toContain("a tag is null, which is not among the labels O, B, 7");
    expect(any({ words: "a", tags: [1] })).toContain(
      "a tag is the number 1; give the names of the tags with --labels O,B-PER,...",
    );
    expect(any({ words: "a", tags: "1" })).toContain("a tag is the number 1; give the names of the tags");
    expect(any({ words: "a", tags: "1B" })).toMatchObject({ tags: ["1B"] });
    expect(any({ words: "a", tags: [""] })).toMatch(/: a tag is ""; expected/);
    expect(any({ words: "a", tags: [true] })).toMatch(/: a tag is true; expected/);
  });

  test("are as many as tags, and at least one", () => {
    const end = '; expected {"words": [...], "tags": [...]}, found keys words, tags';
    expect(any({ words: "a b", tags: "X" })).toBe(`a.jsonl:3: there are 2 words but 1 tags${end}`);
    expect(any({ words: [], tags: [] })).toBe(`a.jsonl:3: the list of words is empty${end}`);
    expect(any({ words: "", tags: "" })).toBe(`a.jsonl:3: the list of words is empty${end}`);
    expect(any({ words: ["a", " "], tags: "X Y" })).toBe(`a.jsonl:3: a word is " "${end}`);
    expect(any({ words: ["a", 4], tags: "X Y" })).toBe(`a.jsonl:3: a word is 4${end}`);
    expect(any({ words: 3, tags: "X" })).toBe(`a.jsonl:3: words are 3${end}`);
    expect(any({ tags: "X" })).toContain("words are missing");
    expect(any({ words: "a" })).toContain("tags are missing");
  });

  test("of other labels are another form", () => {
    expect(taggedForm(["A", "B"]).name).toBe("tagged words A,B");
    expect(taggedForm(null).name).toBe("tagged words ");
  });
});

test("texts to contrast have a negative one or none", () => {
  const read = readBy(contrastForm);
  const both = { anchor: "a", positive: "b" };
  for (const negative of [undefined, null, ""]) expect(read({ ...both, negative })).toEqual(both);
  expect(read({ ...both, negative: "c" })).toEqual({ ...both, negative: "c" });
  expect(read({ ...both, negative: " " })).toContain('a.jsonl:3: negative is " "; expected');
  expect(read({ ...both, negative: 3 })).toContain("negative is 3");
  expect(read({ positive: "b" })).toContain("anchor is missing");
  expect(read({ anchor: "a", positive: "\n" })).toContain('positive is "\\n"');
});

test("readers count the tokens of all texts", async () => {
  const text = (length: number) => ({ inputIds: Array(length).fill(1), labels: Array(length).fill(1) });
  expect(pairReader(tokenizer).tokens({ chosen: text(3), rejected: text(4) } as never)).toBe(7);
  expect(rewardReader(tokenizer).tokens({ chosen: text(3), rejected: text(5) } as never)).toBe(8);
  expect(ktoReader(tokenizer).tokens({ ...text(6), desirable: true } as never)).toBe(6);
  expect(taggedReader(tokenizer, ["O"]).tokens(text(2) as never)).toBe(2);
  const contrast = contrastReader(tokenizer);
  const pair = await contrast.tokenize({ anchor: "ab", positive: "c" });
  expect(pair).toEqual({ anchor: { inputIds: [97, 98] }, positive: { inputIds: [99] } });
  expect(contrast.tokens(pair)).toBe(3);
  const three = await contrast.tokenize({ anchor: "ab", positive: "c", negative: "defg" });
  expect(three.negative).toEqual({ inputIds: [100, 101, 102, 103] });
  expect(contrast.tokens(three)).toBe(7);
});
