import { type CausalLM, Tokenizer } from "@lowrank/models";
import { type Example, type TokenizedExample, tokenizeExample } from "@lowrank/train";
import { describe, expect, test } from "vitest";
import { maskChecks } from "../suite/masks/maskChecks.ts";

// One token for each printable character, the space as in byte-level tokenizers, and BOS, EOS and padding.
const characters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
const vocab = ["<s>", "</s>", "<pad>", ...characters, "Ġ", "Ċ"];
const special = [0, 1, 2].map((id) => ({ id, content: vocab[id], special: true }));

/** `starts`: encoded texts begin with `<s>`. */
function tokenizerOf(chatTemplate: string | null, starts = false): Tokenizer {
  const single = [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
  const special_tokens = { "<s>": { id: "<s>", ids: [0], tokens: ["<s>"] } };
  const beginning = { type: "TemplateProcessing", single, pair: single, special_tokens };
  return new Tokenizer({
    chatTemplate,
    tokenizerConfig: { bos_token: "<s>", eos_token: "</s>", pad_token: "<pad>" },
    tokenizerJson: {
      ...{ added_tokens: special, normalizer: null, post_processor: starts ? beginning : null },
      decoder: { type: "ByteLevel" },
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
      model: { type: "BPE", vocab: Object.fromEntries(vocab.map((token, id) => [token, id])), merges: [] },
    },
  });
}

const tokenizer = tokenizerOf(
  "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant: {% endif %}",
);
const foreign = tokenizerOf(
  "{% for m in messages %}[{{ m.role }}] {{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}",
);
const model = { maxPositions: 200, generationConfig: null } as unknown as CausalLM;

const chat: Example = {
  messages: [
    { role: "user", content: "one" },
    { role: "assistant", content: "two" },
    { role: "user", content: "three" },
    { role: "assistant", content: "four" },
  ],
};
const pair: Example = { prompt: "one ", completion: "two" };

type Change = (tokens: TokenizedExample) => TokenizedExample;

/** Returns the failed checks of examples that `change` damages. */
async function failures(
  example: Example,
  change: Change,
  { by = tokenizer, of = tokenizer, maxLength }: { by?: Tokenizer; of?: Tokenizer; maxLength?: number } = {},
): Promise<Record<string, string>> {
  const tokenize = async (one: Example) => change(await tokenizeExample(by, one));
  const { checks } = await maskChecks({ examples: [example], tokenize, maxLength }, model, of);
  return Object.fromEntries(checks.flatMap(({ name, passed, message }) => (passed ? [] : [[name, message]])));
}

/** Changes the label of each token. */
const relabelled =
  (label: (tokens: TokenizedExample, t: number) => number): Change =>
  (tokens) => ({ inputIds: tokens.inputIds, labels: tokens.inputIds.map((_, t) => label(tokens, t)) });

const moved = (by: number): Change =>
  relabelled(({ inputIds, labels }, t) => ((labels[t - by] ?? -100) === -100 ? -100 : inputIds[t]));

interface MaskFault {
  fault: string;
  change: Change;
  /** Name of the check that finds it. */
  check: string;
  message: RegExp;
}

const inBoth: MaskFault[] = [
  {
    fault: "a mask that begins one token too early",
    change: moved(-1),
    check: "prompt is not learned",
    message: /the mask is off by one, one token too early/,
  },
  {
    fault: "a mask that begins one token too late",
    change: moved(1),
    check: "answer is learned",
    message: /the mask is off by one, one token too late/,
  },
  {
    fault: "labels that are shifted already",
    change: ({ inputIds, labels }) => ({ inputIds, labels: [...labels.slice(1), -100] }),
    check: "labels fit tokens",
    message: /the labels are off by one: each is one position earlier/,
  },
  {
    fault: "an end of sequence that is not learned",
    change: ({ inputIds, labels }) => ({ inputIds, labels: labels.with(-1, -100) }),
    check: "end of sequence is learned",
    message: /the last learned token is token \d+ .*, not "<\/s>"/,
  },
  {
    fault: "an answer that is cut off before its end",
    change: ({ inputIds, labels }) => ({ inputIds: inputIds.slice(0, -2), labels: labels.slice(0, -2) }),
    check: "end of sequence is learned",
    message: /without it the model does not learn to stop/,
  },
  {
    fault: "padding that is learned",
    change: ({ inputIds, labels }) => ({ inputIds: [...inputIds, 2, 2], labels: [...labels, 2, 2] }),
    check: "end of sequence is learned",
    message: /the last learned token is token \d+ \("<pad>"\)/,
  },
  {
    fault: "a prompt that is learned too",
    change: relabelled(({ inputIds }, t) => inputIds[t]),
    check: "prompt is not learned",
    message: /tokens of the prompt would be learned, first token 0/,
  },
  {
    fault: "a mask over the whole example",
    change: relabelled(() => -100),
    check: "labels fit tokens",
    message: /no token is learned; the mask covers the whole example/,
  },
];

describe.each([
  ["a chat", chat],
  ["a completion", pair],
])("in %s", (_, example) => {
  test("a right mask passes", async () => {
    expect(await failures(example, (tokens) => tokens)).toEqual({});
  });

  test.each(inBoth)("$fault is found", async ({ change, check, message }) => {
    const found = await failures(example, change);
    expect(found[check], JSON.stringify(found)).toMatch(message);
  });
});

test("a template that is missing is found", async () => {
  const found = await failures(chat, (tokens) => tokens, { by: tokenizer, of: tokenizerOf(null) });
  expect(found["chat template"]).toContain("has no chat template, so a chat cannot be tokenized");
});

test("another template is found", async () => {
  const found = await failures(chat, (tokens) => tokens, { by: foreign });
  expect(found["chat template is present"]).toMatch(
    /the tokens differ from the chat template's at token 0: "\[use" instead of "<s>use"/,
  );
});

test("a first token that is there twice is found", async () => {
  const twice: Change = ({ inputIds, labels }) => ({ inputIds: [0, ...inputIds], labels: [-100, ...labels] });
  const found = await failures(chat, twice);
  expect(found["chat template is present"]).toMatch(/differ from the chat template's at token 1: "<s>use/);
});

test("a first token that is there twice is found in a completion", async () => {
  const started = tokenizerOf(null, true);
  const twice: Change = ({ inputIds, labels }) => ({ inputIds: [0, ...inputIds], labels: [-100, ...labels] });
  const found = await failures(pair, twice, { by: started, of: started });
  expect(found["tokens are the record's"]).toMatch(/token 0 \("<s>"\) is there twice, .* addSpecialTokens: false/);
  expect(await failures(pair, (tokens) => tokens, { by: started, of: started })).toEqual({});
});

test("an answer whose end is truncated is found", async () => {
  const found = await failures(pair, (tokens) => tokens, { maxLength: 7 });
  expect(found["truncation keeps the end"]).toMatch(/1 of 1 .* the last learned token is after token 7 of 8/);
});

test("an answer of an earlier turn that is not learned is found", async () => {
  const onlyLast = relabelled(({ labels }, t) => (t > labels.lastIndexOf(-100) ? labels[t] : -100));
  const found = await failures(chat, onlyLast);
  expect(found["answer is learned"]).toMatch(/4 tokens of the answer would not be learned/);
});
