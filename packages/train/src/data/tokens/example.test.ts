import { expect, test } from "vitest";
import { toExample } from "./example.ts";

const where = "data.jsonl: line 3";
const read = (value: unknown) => toExample({ value, where });

test.each<[string, unknown, unknown]>([
  ["a string", "hi", { text: "hi" }],
  ["a text, without other keys", { text: "hi", id: 3 }, { text: "hi" }],
  ["a text with an output that is no Alpaca record", { text: "hi", output: "ho" }, { text: "hi" }],
  ["a prompt and a completion", { prompt: "", completion: "b" }, { prompt: "", completion: "b" }],
  [
    "Alpaca, whose text repeats the others",
    { instruction: "add", input: "1 2", output: "3", text: "add 1 2 3" },
    {
      messages: [
        { role: "user", content: "add\n\n1 2" },
        { role: "assistant", content: "3" },
      ],
    },
  ],
  [
    "Alpaca with an input of null",
    { instruction: "add", input: null, output: "3" },
    {
      messages: [
        { role: "user", content: "add" },
        { role: "assistant", content: "3" },
      ],
    },
  ],
  [
    "ShareGPT",
    { conversations: ["human", "gpt", "chatgpt", "bot", "system"].map((from) => ({ from, value: from })) },
    {
      messages: [
        { role: "user", content: "human" },
        { role: "assistant", content: "gpt" },
        { role: "assistant", content: "chatgpt" },
        { role: "assistant", content: "bot" },
        { role: "system", content: "system" },
      ],
    },
  ],
  [
    "messages, whose text parts are joined",
    {
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "a" },
            { type: "text", text: "b" },
          ],
        },
      ],
    },
    { messages: [{ role: "user", content: "ab" }] },
  ],
])("%s", (_, value, example) => {
  expect(read(value)).toEqual(example);
});

const long = (length: number) => "x".repeat(length - 2);
const turn = (content: unknown) => ({ messages: [{ role: "user", content }] });

test.each<[string, unknown, string]>([
  ["null", null, 'found null; an example is one of {"text"}, '],
  ["a list", ["text"], 'found ["text"]; an example is one of '],
  ["a number", 7, "found 7; an example is one of "],
  ["nothing known", { a: 1 }, "found keys a; an example is one of "],
  ["an empty object", {}, "found keys (none); "],
  ["two kinds", { text: "a", messages: [] }, "found keys text, messages; "],
  ["a text and an instruction without output", { text: "a", instruction: "b" }, "found keys text, instruction; "],
  ["an empty text", { text: "" }, "text is empty, so that there is nothing to learn"],
  ["a completion alone", { completion: "a" }, "prompt is missing; expected a string"],
  ["no messages", { messages: [] }, 'messages is []; expected a list of {"role", "content"}'],
  ["messages of another type", { messages: "hi" }, 'messages is "hi"; expected a list of {"role", "content"}'],
  ["no turns", { conversations: [] }, 'conversations is []; expected a list of {"from", "value"}'],
  ["turns of another type", { conversations: { a: 1 } }, 'conversations is {"a":1}; expected a list of '],
  ["a turn without a value", { conversations: [{ from: "gpt" }] }, "conversations[0].value is missing"],
  ["an image", turn([{ type: "image", text: "a" }]), 'messages[0].content is [{"type":"image","text":"a"}]; '],
  ["a part without text", turn([{ type: "text" }]), 'messages[0].content is [{"type":"text"}]; '],
  ["a message of null", { messages: [null] }, "messages[0].role is missing; expected a string"],
  ["60 characters of JSON", [long(58)], `found ["${long(58)}"]; `],
  ["61 characters of JSON", [long(59)], `found ["${long(59).slice(0, 55)}...; `],
])("%s is refused", (_, value, message) => {
  expect(() => read(value)).toThrow(`${where}: ${message}`);
});
