import { expect, test } from "vitest";
import type { ChatMessage } from "./chatTemplate.ts";
import { renderChat } from "./renderChat.ts";

const render = (template: string) => renderChat(template, [{ role: "user", content: "hi" }], {}, {}, "mine").text;

test("ranges and namespaces as templates have them", () => {
  expect(render("{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(5, 1, -2) %}{{ i }}{% endfor %}")).toBe(
    "01253",
  );
});

test("filters that indent", () => {
  expect(render("{{ {'a': 1} | tojson(indent=2) }}{{ 'x' | indent(2, true) }}")).toBe('{\n  "a": 1\n}  x');
});

test.each<[string, string]>([
  [
    "{% for i in range(100000000) %}x{% endfor %}",
    "range() would have 100000000 elements, and at most 100000 are allowed",
  ],
  ["{{ range(0, 10, 0) }}", "range() arg 3 must not be zero"],
  [
    "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "more than 16777216 characters",
  ],
  ["{{ messages | tojson(indent=100000000) }}", "it indents by 100000000 spaces, more than 1000"],
  ["{{ messages[0].content | indent(2000, true) }}", "it indents by 2000 spaces"],
  [`{{ ${"(".repeat(50_000)}1${")".repeat(50_000)} }}`, "it nests too deep"],
  ["{{ raise_exception('only users') }}", "the chat template of mine: only users"],
  ["{% for", "the chat template of mine: "],
])("%s", (template, message) => {
  expect(() => render(template)).toThrow(message);
});

test("a template that goes on for ever ends", () => {
  const endless = `${"{% for i in range(90000) %}".repeat(3)}x${"{% endfor %}".repeat(3)}`;
  expect(() => render(endless)).toThrow("it is not done after 1000000 steps");
});

test("messages lose keys that are null, and their reasoning has the names that templates read", () => {
  const template = "{% for m in messages %}{{ m }}{% endfor %}{{ tools is defined }}{{ tools }}{{ documents }}";
  const message = { role: "assistant", content: null, reasoning: "why" } as unknown as ChatMessage;
  const { text } = renderChat(template, [message], {});
  expect(text).toBe(
    "{'thinking': 'why', 'role': 'assistant', 'reasoning': 'why', 'reasoning_content': 'why'}TrueNoneNone",
  );
});
