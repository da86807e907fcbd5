import { expect, test } from "vitest";
import { Template } from "../template.ts";

function generated(template: string): string[] {
  const { text, generation } = new Template(template).render({ words: ["hi", "ho"] });
  return generation.map(([start, end]) => text.slice(start, end));
}

test("the parts of a text inside of generation tags", () => {
  const template = "{% for w in words %}<{% generation %}{{ w }}{% endgeneration %}>{% endfor %}";
  expect(generated(template)).toEqual(["hi", "ho"]);
  expect(generated("{%- generation -%}  a\n {%- endgeneration -%} b")).toEqual(["a"]);
  expect(generated("a{{ words }}")).toEqual([]);
});

test("values of JavaScript become Python's", () => {
  const render = (value: unknown) => new Template("{{ v }}").render({ v: value }).text;
  expect(render(1)).toBe("1");
  expect(render(1.5)).toBe("1.5");
  expect(render(12345678901234567890n)).toBe("12345678901234567890");
  expect(render([null, true, { a: undefined, b: "c" }])).toBe("[None, True, {'b': 'c'}]");
  expect(render(new Map([[1, "a"]]))).toBe("{1: 'a'}");
  expect(render(new Uint8Array(3))).toBe("<Uint8Array>");
  expect(render(new DataView(new ArrayBuffer(3)))).toBe("<DataView>");
  expect(render(new ArrayBuffer(3))).toBe("<ArrayBuffer>");
  expect(render(new Blob(["a"]))).toBe("<Blob>");
  expect(render(() => 1)).toBe("<Function>");
  expect(render(Object.create(null, { a: { value: 1, enumerable: true } }))).toBe("{'a': 1}");
});

test("the parts inside of generation tags of a recursive loop", () => {
  const template = "a{% for w in words recursive %}<{% generation %}{{ w }}{% endgeneration %}>{% endfor %}";
  expect(generated(template)).toEqual(["hi", "ho"]);
});
