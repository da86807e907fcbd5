import { type CausalLM, Tokenizer } from "@lowrank/models";
import { type Example, type TokenizedExample, tokenizeExample } from "@lowrank/train";
import { expect, test } from "vitest";
import type { MaskTests } from "../shared/suite.ts";
import { maskChecks } from "./maskChecks.ts";

// One token for each printable character, the space as in byte-level tokenizers, and BOS and EOS.
const characters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
const vocab = ["<s>", "</s>", ...characters, "Ġ", "Ċ"];
const template =
  "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant: {% endif %}";
const tokenizerOf = (chatTemplate: string | null, eos: object = { eos_token: "</s>" }) =>
  new Tokenizer({
    chatTemplate,
    tokenizerConfig: eos,
    tokenizerJson: {
      added_tokens: [0, 1].map((id) => ({ id, content: vocab[id], special: true })),
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
      post_processor: null,
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", vocab: Object.fromEntries(vocab.map((token, id) => [token, id])), merges: [] },
    },
  });
const tokenizer = tokenizerOf(template);
const model = { maxPositions: 200, generationConfig: null } as unknown as CausalLM;

const chat: Example = {
  messages: [
    { role: "user", content: "one" },
    { role: "assistant", content: "two" },
  ],
};
const pair: Example = { prompt: "one ", completion: "two" };

/** Returns the names of the failed checks with their messages. */
async function failures(tests: MaskTests, of = tokenizer): Promise<Record<string, string>> {
  const { checks } = await maskChecks(tests, model, of);
  return Object.fromEntries(checks.flatMap(({ name, passed, message }) => (passed ? [] : [[name, message]])));
}

/** Returns an example's tokens, with labels changed by `change`. */
async function changed(
  example: Example,
  change: (tokens: TokenizedExample) => TokenizedExample,
): Promise<TokenizedExample> {
  return change(await tokenizeExample(tokenizer, example));
}

/** Moves a mask: its tokens are learned `by` positions later. */
const moved =
  (by: number) =>
  ({ inputIds, labels }: TokenizedExample): TokenizedExample => ({
    inputIds,
    labels: inputIds.map((id, t) => ((labels[t - by] ?? -100) === -100 ? -100 : id)),
  });

test("right masks pass, and show which tokens are learned", async () => {
  const { checks, masks } = await maskChecks({ examples: [chat, pair] }, model, tokenizer);
  expect(checks.map(({ name, passed }) => [name, passed])).toEqual([
    ["labels fit tokens", true],
    ["prompt is not learned", true],
    ["answer is learned", true],
    ["end of sequence is learned", true],
    ["tokens are the record's", true],
    ["chat template is present", true],
    ["truncation leaves labels", true],
    ["truncation keeps the end", true],
  ]);
  expect(masks).toEqual([
    {
      ...{ where: "example 1", tokens: 27, learned: 4, problems: [] },
      parts: [
        { text: "<s>user: one</s><s>assistant: ", learned: false },
        { text: "two</s>", learned: true },
      ],
    },
    {
      ...{ where: "example 2", tokens: 8, learned: 4, problems: [] },
      parts: [
        { text: "one ", learned: false },
        { text: "two</s>", learned: true },
      ],
    },
  ]);
});

test.each<[string, number, string, string]>([
  ["early", -1, "prompt is not learned", "the mask is off by one, one token too early: a token of the prompt would be"],
  ["late", 1, "answer is learned", "the mask is off by one, one token too late: a token of the answer would not be"],
])("a mask of one's own that is one token too %s is found", async (_, by, name, message) => {
  for (const example of [chat, pair]) {
    const found = await failures({ examples: [example], tokenize: () => changed(example, moved(by)) });
    expect(found[name]).toContain(message);
    // Without the record, the openings of the chat template show it.
    if (example === chat) {
      const alone = await failures({ examples: [await changed(chat, moved(by))] });
      expect(alone[name]).toContain(message);
    }
  }
});

test("labels that are shifted already are found", async () => {
  const shift = ({ inputIds, labels }: TokenizedExample) => ({ inputIds, labels: [...labels.slice(1), -100] });
  const found = await failures({ examples: [await changed(chat, shift)] });
  expect(found["labels fit tokens"]).toContain(
    "the labels are off by one: each is one position earlier than its token",
  );
});

test("a text with a rendered chat learns its prompt", async () => {
  const text = await tokenizer.applyChatTemplate(chat.messages as never);
  const found = await failures({ examples: [{ text }] });
  expect(Object.keys(found)).toEqual(["prompt is not learned"]);
  expect(found["prompt is not learned"]).toContain('23 tokens of the prompt would be learned, first token 0 ("<s>")');
});

test("an answer without its end, and one of which a part is masked", async () => {
  const cut = ({ inputIds, labels }: TokenizedExample) => ({ inputIds, labels: labels.with(-1, -100) });
  const found = await failures({ examples: [await changed(pair, cut)] });
  expect(found["end of sequence is learned"]).toContain('the last learned token is token 6 ("o"), not "</s>"');
  const found2 = await failures({ examples: [pair], tokenize: () => changed(pair, cut) });
  expect(found2["answer is learned"]).toContain('a token of the answer would not be learned, first token 7 ("</s>")');
});

test("a missing template is found in the tokenizer and in the tokens", async () => {
  const none = await failures({ examples: [chat] }, tokenizerOf(null));
  expect(none["chat template"]).toContain(
    "example 1: the tokenizer has no chat template, so a chat cannot be tokenized",
  );
  const plain = { prompt: "user: one\nassistant: ", completion: "two" };
  const found = await failures({ examples: [chat], tokenize: () => tokenizeExample(tokenizer, plain) });
  expect(found["chat template is present"]).toContain(
    'the tokens differ from the chat template\'s at token 0: "user" instead of "<s>use"',
  );
  const alone = await failures({ examples: [await tokenizeExample(tokenizer, plain)], checks: ["template"] });
  expect(alone["chat template is present"]).toContain('the chat template\'s opening "<s>assistant: " is missing');
});

test("truncation that removes all labels is found", async () => {
  const found = await failures({ examples: [chat], maxLength: 20 });
  expect(Object.keys(found)).toEqual(["truncation leaves labels", "truncation keeps the end"]);
  expect(found["truncation leaves labels"]).toBe(
    "1 of 1 example is wrong; example 1: all 4 learned tokens are after token 20 of 27, and truncation removes them; raise maxLength or shorten the prompt",
  );
  expect(await failures({ examples: [chat], maxLength: 27 })).toEqual({});
});

// A model that is trained on many answers without their end does not learn to stop. So one such example fails unless
// maxTruncated allows it.
test("truncation that removes the end of an answer is found, and allowed up to a share", async () => {
  for (const example of [chat, await changed(chat, (tokens) => tokens)]) {
    expect(await failures({ examples: [example], maxLength: 24 })).toEqual({
      "truncation keeps the end":
        "1 of 1 example is wrong; example 1: the last 3 learned tokens are after token 24 of 27, so that the answer does not end; raise maxLength or maxTruncated, or leave out long examples",
    });
  }
  const mostly = { examples: [pair, chat, pair, chat], maxLength: 24 };
  expect(await failures({ ...mostly, maxTruncated: 0.5 })).toEqual({});
  const { checks } = await maskChecks({ ...mostly, maxTruncated: 0.5 }, model, tokenizer);
  expect(checks.at(-1)).toMatchObject({
    ...{ name: "truncation keeps the end", passed: true, value: 2, limit: 2 },
    message: expect.stringContaining("2 of 4 examples are wrong, and 2 are allowed; example 2: the last 3 learned"),
  });
  const found = await failures({ ...mostly, maxTruncated: 0.4 });
  expect(found["truncation keeps the end"]).toContain("2 of 4 examples are wrong, and 1 are allowed");
});

test("a long text may be cut", async () => {
  expect(await failures({ examples: [{ text: "one two three" }], maxLength: 5 })).toEqual({});
});

test("tokens of one's own that are not the record's are found", async () => {
  const twice = ({ inputIds, labels }: TokenizedExample) => ({
    inputIds: [0, 0, ...inputIds],
    labels: [-100, -100, ...labels],
  });
  const found = await failures({ examples: [pair], tokenize: () => changed(pair, twice) });
  expect(found["tokens are the record's"]).toContain(
    'the tokens differ from the record\'s at token 0: "<s><s>on" instead of "one ", so it is unknown which of them belong to the answer',
  );
  const chosen = await failures({ examples: [pair], tokenize: () => changed(pair, twice), checks: ["endOfSequence"] });
  expect(chosen).toEqual({});
});

test("labels that do not fit their tokens are found", async () => {
  const inputIds = [5, 6, 7, 1];
  const bad: [number[], string][] = [
    [[-100, 6, 7], "4 tokens and 3 labels; give one label for each token"],
    [[-100, -100, -100, -100], "no token is learned; the mask covers the whole example"],
    [[-100, 6, 9, 1], 'the label of token 2 ("&") is 9; give 7 or -100'],
  ];
  for (const [labels, message] of bad) {
    expect((await failures({ examples: [{ inputIds, labels }] }))["labels fit tokens"]).toContain(message);
  }
});

test("chosen checks run alone, and one that fits no example fails", async () => {
  const { checks } = await maskChecks({ examples: [pair], checks: ["prompt"] }, model, tokenizer);
  expect(checks.map(({ name }) => name)).toEqual(["prompt is not learned"]);
  const none = await failures({ examples: [{ text: "one" }], checks: ["endOfSequence"] }, tokenizerOf(null, {}));
  expect(none["end of sequence is learned"]).toBe("no example has what this check needs; leave it out of checks");
});
