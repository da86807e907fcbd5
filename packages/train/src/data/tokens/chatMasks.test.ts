import { Tokenizer } from "@lowrank/models";
import { describe, expect, test } from "vitest";
import { tokenizeExample } from "./tokenize.ts";

// Templates with the structure of real models' templates, and a byte tokenizer.

/** A tokenizer whose tokens are bytes and the special tokens. */
function bytes(special: readonly string[], chatTemplate: string, eos: string): Tokenizer {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let others = 0;
  const letters = Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(printable(byte) ? byte : 256 + others++),
  );
  return new Tokenizer({
    chatTemplate,
    tokenizerConfig: { eos_token: eos, bos_token: special[0] },
    tokenizerJson: {
      added_tokens: special.map((content, i) => ({ id: 256 + i, content, special: true, normalized: false })),
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
      post_processor: null,
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", vocab: Object.fromEntries(letters.map((letter, id) => [letter, id])), merges: [] },
    },
  });
}

const smollm2 = bytes(
  ["<|im_start|>", "<|im_end|>"],
  "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
  "<|im_end|>",
);

const llama3 = bytes(
  ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
  "{% for turn in messages %}{% set text = '<|start_header_id|>' + turn['role'] + '<|end_header_id|>\n\n' + turn['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set text = bos_token + text %}{% endif %}{{ text }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
  "<|eot_id|>",
);

const qwen25 = bytes(
  ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
  `{%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
{%- else %}
    {{- '<|im_start|>system\nYou help.<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant") %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
`,
  "<|im_end|>",
);

/** Thinking is rendered only in turns after the last question, and always in the last turn. */
const qwen3 = bytes(
  ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
  `{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set found = namespace(last=messages|length - 1) %}
{%- for message in messages %}
    {%- if message.role == "user" %}
        {%- set found.last = loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "user" %}
        {{- '<|im_start|>user\n' + message.content + '<|im_end|>\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thought = '' %}
        {%- set content = message.content %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > found.last and (loop.last or thought) %}
            {{- '<|im_start|>assistant\n<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>assistant\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}`,
  "<|im_end|>",
);

/** The assistant is called model, turns are trimmed, and no turn ends with the end-of-text token. */
const gemma = bytes(
  ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"],
  `{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}`,
  "<eos>",
);

/** The conversation ends with a separate token. */
const phi3 = bytes(
  ["<s>", "<eos>", "<|user|>", "<|assistant|>", "<|end|>"],
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
  "<eos>",
);

/** The system turn is merged into the first question. */
const gemma3 = bytes(
  ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"],
  `{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set before = messages[0]['content'] + '\n\n' -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set before = "" -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for message in turns -%}
    {%- if message['role'] == 'assistant' -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (before if loop.first else "") }}
    {{- message['content'] | trim }}
    {{- '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start_of_turn>model\n' }}
{%- endif -%}
`,
  "<eos>",
);

const chat = (...contents: string[]) => contents.map((content, i) => ({ role: i % 2 ? "assistant" : "user", content }));
const withSystem = (...contents: string[]) => [{ role: "system", content: "Hush" }, ...chat(...contents)];

/** Parses a text with [[ and ]] around the learned parts into ids and labels. */
function expected(tokenizer: Tokenizer, text: string) {
  const inputIds: number[] = [];
  const labels: number[] = [];
  for (const [i, part] of text.split(/\[\[|\]\]/).entries()) {
    const ids = tokenizer.encode(part, { addSpecialTokens: false });
    inputIds.push(...ids);
    labels.push(...ids.map((id) => (i % 2 ? id : -100)));
  }
  return { inputIds, labels };
}

const cases: [string, Tokenizer, ReturnType<typeof chat>, string][] = [
  [
    "SmolLM2, which adds a system turn",
    smollm2,
    chat("hi", "ho", "so", "no"),
    "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[[ho<|im_end|>]]\n<|im_start|>user\nso<|im_end|>\n<|im_start|>assistant\n[[no<|im_end|>]]",
  ],
  [
    "SmolLM2 with a system turn, two answers in a row, and a question behind the last",
    smollm2,
    [...withSystem("hi", "assistant\n"), { role: "assistant", content: "" }, ...chat("why")],
    "<|im_start|>system\nHush<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[[assistant\n<|im_end|>]]\n<|im_start|>assistant\n[[<|im_end|>]]",
  ],
  [
    "Llama 3, which trims turns",
    llama3,
    withSystem(" hi ", "\n ho ", "so", "no"),
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nHush<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n[[ho<|eot_id|>]]<|start_header_id|>user<|end_header_id|>\n\nso<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n[[no<|eot_id|>]]",
  ],
  [
    "Qwen 2.5",
    qwen25,
    chat("hi", "ho", "so", "no"),
    "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[[ho<|im_end|>]]\n<|im_start|>user\nso<|im_end|>\n<|im_start|>assistant\n[[no<|im_end|>]]",
  ],
  [
    "Qwen 3, which takes earlier thinking away and adds an empty one at the end",
    qwen3,
    withSystem("hi", "<think>\nhm\n</think>\n\nho", "so", "no"),
    "<|im_start|>system\nHush<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[[ho<|im_end|>]]\n<|im_start|>user\nso<|im_end|>\n<|im_start|>assistant\n[[<think>\n\n</think>\n\nno<|im_end|>]]",
  ],
  [
    "Qwen 3, whose last thinking is learned",
    qwen3,
    chat("hi", "ho", "so", "<think>\nhm\n</think>\n\nno"),
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[[ho<|im_end|>]]\n<|im_start|>user\nso<|im_end|>\n<|im_start|>assistant\n[[<think>\nhm\n</think>\n\nno<|im_end|>]]",
  ],
  [
    "Gemma, whose assistant is a model",
    gemma,
    chat("hi", " ho", "so", "no\n"),
    "<bos><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n[[ho<end_of_turn>]]\n<start_of_turn>user\nso<end_of_turn>\n<start_of_turn>model\n[[no<end_of_turn>]]",
  ],
  [
    "Phi 3, whose last turn ends with one token more",
    phi3,
    chat("hi", "ho", "so", "no"),
    "<|user|>\nhi<|end|>\n<|assistant|>\n[[ho<|end|>]]\n<|user|>\nso<|end|>\n<|assistant|>\n[[no<|end|>\n<eos>]]",
  ],
  [
    "Gemma 3, whose first question holds the system's turn",
    gemma3,
    withSystem("hi", "ho", "so", "no"),
    "<bos><start_of_turn>user\nHush\n\nhi<end_of_turn>\n<start_of_turn>model\n[[ho<end_of_turn>]]\n<start_of_turn>user\nso<end_of_turn>\n<start_of_turn>model\n[[no<end_of_turn>]]",
  ],
];

test.each(cases)("%s", async (_, tokenizer, messages, text) => {
  const wanted = expected(tokenizer, text);
  expect(await tokenizeExample(tokenizer, { messages })).toEqual(wanted);
  const learned = wanted.labels.filter((label) => label !== -100);
  expect(tokenizer.decode(learned)).toBe(
    text
      .split(/\[\[|\]\]/)
      .filter((_, i) => i % 2)
      .join(""),
  );
});

test("a system turn that the template refuses", async () => {
  await expect(tokenizeExample(gemma, { messages: withSystem("hi", "ho") })).rejects.toThrow("System role");
});

describe("{% generation %} says what is learned", () => {
  const special = ["<s>", "<end>"];
  const make = (template: string) => bytes(special, template, "<end>");

  test("around a turn and its end, with white space that Jinja takes away", async () => {
    const tokenizer = make(`{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- 'A: ' }}
        {%- generation %}
        {{- message.content + '<end>\n' }}
        {%- endgeneration %}
    {%- else %}
        {{- 'U: ' + message.content + '\n' }}
    {%- endif %}
{%- endfor %}`);
    const wanted = expected(tokenizer, "U: hi\nA: [[ho<end>\n]]U: so\nA: [[no<end>\n]]");
    expect(await tokenizeExample(tokenizer, { messages: chat("hi", "ho", "so", "no", "you") })).toEqual(wanted);
  });

  test("tags without dashes, on lines of their own", async () => {
    const tokenizer = make(`{% for message in messages %}
{% if message.role == 'assistant' %}
A:
  {% generation %}
  {% if message.content %}
 {{ message.content }}<end>
  {% endif %}
  {% endgeneration %}
{% else %}
U: {{ message.content }}
{% endif %}
{% endfor %}`);
    const wanted = expected(tokenizer, "U: hi\nA:\n[[ ho<end>\n]]");
    expect(await tokenizeExample(tokenizer, { messages: chat("hi", "ho") })).toEqual(wanted);
  });

  test("a tag that is not closed is an error", async () => {
    const tokenizer = make("{% generation %}{% for m in messages %}{{ m.content }}{% endfor %}");
    await expect(tokenizeExample(tokenizer, { messages: chat("hi", "ho") })).rejects.toThrow("endgeneration");
  });
});
