import { expect, test, vi } from "vitest";
import { Template } from "../template.ts";

const render = (template: string): string => new Template(template).render({ text: "ab", list: [1, 2] }).text;

test.each<[string, string]>([
  ["{{ 'a' * 100000000 }}", "more than 16777216 characters"],
  ["{{ ('a' * 10000000).replace('a', 'bbbb') }}", "more than 16777216 characters"],
  ["{{ ['a' * 9000000, 'a' * 9000000] | join }}", "more than 16777216 characters"],
  ["{% for i in range(90000) %}{{ 'a' * 250 }}{% endfor %}", "more than 16777216 characters"],
  ["{{ range(90000) | join('a' * 100000) }}", "more than 16777216 characters"],
  ["{{ ('a' * 100000).join(range(90000) | map('string')) }}", "more than 16777216 characters"],
  ["{{ ('a\\n' * 100000) | indent('b' * 100000) }}", "more than 16777216 characters"],
  ["{{ ([0] * 100000) | tojson(separators=('a' * 100000, ':')) }}", "more than 16777216 characters"],
  ["{{ ([0] * 100000) | tojson(indent='a' * 100000) }}", "more than 16777216 characters"],
  ["{{ [0] * 1000000000 }}", "not done after 1000000 steps"],
  ["{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}", "not done after"],
  ["{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}", "not done after"],
  ["{{ range(90000) | map('string') | join | length }}{{ 2 ** 100000 }}", "65536 bits"],
  ["{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}", "65536 bits"],
  ["{{ 10 ** 5000 }}", "4300 digits"],
  ["{{ 'a'.center(100000) }}", "100000 spaces, more than 1000"],
  ["{{ 'a' | center(10 ** 10) }}", "10000000000 spaces"],
  ["{{ '\t'.expandtabs(100000) }}", "100000 spaces"],
  ["{{ '%100000d' % 1 }}", "100000 spaces"],
  ["{{ '{:>100000}'.format(1) }}", "100000 spaces"],
  ["{{ '{:.100000f}'.format(1.5) }}", "100000 spaces"],
])("%s", (template, message) => {
  expect(() => render(template)).toThrow(message);
});

test("texts of 16777216 characters are made by joins and replacements", () => {
  const half = "{% set half = 'a' * 8388608 %}";
  for (const whole of ["[half, half] | join", "''.join([half, half])", "'xx'.replace('x', half)"]) {
    expect(render(`${half}{{ (${whole}) | length }}`), whole).toBe("16777216");
  }
});

test("sums of markup count the characters of all terms", () => {
  expect(() => render("{{ (['a' * 1000000] * 1000) | sum(start='' | safe) | length }}")).toThrow(
    "more than 16777216 characters",
  );
});

test("a replacement takes the steps of its result", () => {
  // A round takes 4 * 62500 steps: for the variable, the method, its result, and the value of the expression.
  const text = "x".repeat(15_999_999);
  const rounds = (count: number) =>
    new Template(`{% for i in range(${count}) %}{% set y = text.replace('a', 'b') %}{% endfor %}`).render({
      text: `${text}a`,
    });
  expect(() => rounds(3)).not.toThrow();
  expect(() => rounds(4)).toThrow("not done after 1000000 steps");
});

test("tuples that hold one another as keys take the steps of their texts", () => {
  const nested = "{% set ns = namespace(t=(1, 2)) %}{% for i in range(60) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}";
  for (const use of ["{{ {ns.t: 1} }}", "{{ ns.t in {} }}", "{{ [ns.t] | unique | list }}"]) {
    expect(() => render(nested + use), use).toThrow(/more than 16777216 characters|not done after/);
  }
});

test.each(["list.copy()", "dict(big)", "big.copy()"])("copies take a step for each element: %s", (copy) => {
  const big = "{% set list = range(50000) | list %}{% set big = dict.fromkeys(list) %}";
  expect(() => render(`${big}{% for i in range(1000) %}{% set x = ${copy} %}{% endfor %}`)).toThrow("not done after");
});

test.each<[string, string, string]>([
  ["'%c' % 1114112", "TEMPLATE_VALUE", "%c arg not in range(0x110000)"],
  ["'%c' % -1", "TEMPLATE_VALUE", "%c arg not in range(0x110000)"],
  ["'{:c}'.format(10 ** 30)", "TEMPLATE_VALUE", "%c arg not in range(0x110000)"],
  ["'{:c}'.format(-1)", "TEMPLATE_VALUE", "%c arg not in range(0x110000)"],
  ["'{:+c}'.format(65)", "TEMPLATE_VALUE", "Sign not allowed"],
  ["'{:,c}'.format(65)", "TEMPLATE_VALUE", "Cannot specify ','"],
  ["'{:#c}'.format(65)", "TEMPLATE_VALUE", "Alternate form (#) not allowed"],
  ["'%*d' % ('x', 5)", "TEMPLATE_TYPE", "* wants int"],
  ["'%*d' % (1.5, 5)", "TEMPLATE_TYPE", "* wants int"],
  ["'%.*f' % (none, 5)", "TEMPLATE_TYPE", "* wants int"],
])("%s fails as in Python", (expression, code, message) => {
  expect(() => render(`{{ ${expression} }}`)).toThrow(
    expect.objectContaining({ name: "TemplateError", code, message: expect.stringContaining(message) }),
  );
});

test("formats take booleans as integers, and a negative precision as 0", () => {
  expect(render("{{ '%c%c' % (true, 1114111) == '{:c}{:c}'.format(true, 1114111) }}")).toBe("True");
  expect(render("{{ '%*d|%.*f|%.*s|%*d|' % (true, 5, -3, 5.5, -1, 'abc', -6, 5) }}")).toBe("5|6||5     |");
});

test.each<[string, string]>([
  ["brackets", `{{ ${"(".repeat(30_000)}1${")".repeat(30_000)} }}`],
  ["lists", `{{ ${"[".repeat(30_000)}${"]".repeat(30_000)} }}`],
  ["sums", `{{ 1${" + 1".repeat(100_000)} }}`],
  ["attributes", `{{ text${".x".repeat(100_000)} }}`],
  ["conditions", `${"{% if 1 %}".repeat(30_000)}${"{% endif %}".repeat(30_000)}`],
  ["a value", "{% set ns = namespace(l=1) %}{% for i in range(50000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}"],
  ["a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"],
])("deep nesting of %s throws TEMPLATE_LIMIT", (_what, template) => {
  expect(() => render(template)).toThrow(
    expect.objectContaining({
      name: "TemplateError",
      code: "TEMPLATE_LIMIT",
      message: expect.stringContaining("nests too deep"),
    }),
  );
});

test("variables that nest too deep throw TEMPLATE_LIMIT", () => {
  const deep = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`);
  expect(() => new Template("{{ x }}").render({ x: deep })).toThrow(
    expect.objectContaining({ code: "TEMPLATE_LIMIT" }),
  );
});

test.each([
  "text.find('zz')",
  "text.rindex('x', 5)",
  "text.count('x')",
  "text.strip('x')",
  "text.strip('y' * 200000)",
  "text.title()",
  "text.rsplit('x', 1)",
  "text[-1] ~ text[5]",
  "text[1:-1]",
  "text[::-1]",
  "text | length",
  "text | reverse",
  "text | title",
  "text | wordcount",
])("%s takes steps for the length of its text", (expression) => {
  const text = "\u{1f600}x".repeat(100_000);
  // The list takes most of the steps, so that fewer texts have to be processed.
  const template = new Template(
    `{% set list = [0] * 800000 %}{% for i in range(3000) %}{% set y = ${expression} %}{% endfor %}`,
  );
  expect(() => template.render({ text })).toThrow("not done after");
});

test.each(["'zz' in text", "text | upper", "text | striptags", "text | wordcount", "text[1:]", "text[::2]"])(
  "%s takes few of the steps for a text of one million characters",
  (expression) => {
    const text = "A sentence of a long document, with some words. ".repeat(21_000);
    const template = `{% for i in range(3) %}{% set x = ${expression} %}{% endfor %}done`;
    expect(new Template(template).render({ text }).text).toBe("done");
  },
);

test("the filter random draws from all elements", () => {
  const draw = vi.spyOn(Math, "random");
  try {
    for (const [drawn, expected] of [
      [0, "a"],
      [0.499, "a"],
      [0.5, "b"],
      [0.999, "b"],
    ] as const) {
      draw.mockReturnValue(drawn);
      expect(render("{{ ['a', 'b'] | random }}{{ 'ab' | random }}"), String(drawn)).toBe(expected + expected);
    }
  } finally {
    draw.mockRestore();
  }
});

test("methods of a text of one million characters take few of the steps", () => {
  const text = "A sentence of a long document, with some words. ".repeat(21_000);
  const calls = ["strip()", "startswith('A')", "find('zz')", "split('</think>')[-1]", "upper()"];
  const template = `{% for i in range(20) %}${calls.map((call) => `{% set x = text.${call} %}`).join("")}{% endfor %}`;
  expect(new Template(`${template}done`).render({ text }).text).toBe("done");
});

test("positions in texts count characters beyond 16 bits once", () => {
  const text = "a\u{1f600}b\u{1f601}c";
  const show = (expression: string): string => new Template(`{{ ${expression} }}`).render({ text }).text;
  expect(show("text[1] ~ text[-2] ~ text[4] ~ text[5] ~ text[-6]")).toBe("\u{1f600}\u{1f601}c");
  expect(show("text[1:3] ~ '|' ~ text[-2:] ~ '|' ~ text[3:1] ~ '|' ~ text[-9:9]")).toBe(
    `\u{1f600}b|\u{1f601}c||${text}`,
  );
  expect(
    show("text.find('b') ~ text.find('b', 3) ~ text.find('c', -1) ~ text.find('', 9) ~ text.rfind('', 1, 3)"),
  ).toBe("2-14-13");
  expect(show("text.strip('ca\u{1f601}') ~ text.lstrip('ba') ~ text.rstrip('\u{1f601}c') ~ (text | length)")).toBe(
    "\u{1f600}b\u{1f600}b\u{1f601}ca\u{1f600}b5",
  );
});

test("a loop with a condition counts its elements in linear time", () => {
  const start = performance.now();
  const source = "{% for x in range(100000) if x %}{% if loop.length and loop.last %}{{ x }}{% endif %}{% endfor %}";
  expect(render(source)).toBe("99999");
  expect(
    render("{% for x in range(5) if x %}{{ loop.nextitem }}{{ loop.length }}{{ loop.revindex }} {% endfor %}"),
  ).toBe("244 343 442 41 ");
  expect(performance.now() - start).toBeLessThan(5000);
});

test("striptags takes a time that is linear in the text", () => {
  const start = performance.now();
  expect(render("{{ ('<' * 200000) | striptags | length }} {{ ('<!--' * 100000) | striptags | length }}")).toBe(
    "200000 400000",
  );
  expect(render("{{ 'a <b>c</b><!-- <i> --> &amp; <d' | striptags }}")).toBe("a c & <d");
  expect(performance.now() - start).toBeLessThan(5000);
});

test("the limits of one template do not reach the next", () => {
  expect(() => render("{{ [0] * 1000000000 }}")).toThrow("steps");
  expect(render("{{ list }}")).toBe("[1, 2]");
});

test("errors have a stable code", () => {
  const codeOf = (template: string): unknown => {
    try {
      render(template);
    } catch (error) {
      return (error as { code: string }).code;
    }
    return undefined;
  };
  expect(codeOf("{% if %}")).toBe("TEMPLATE_SYNTAX");
  expect(codeOf("{{ nope.x }}")).toBe("TEMPLATE_UNDEFINED");
  expect(codeOf("{{ 1 + 'a' }}")).toBe("TEMPLATE_TYPE");
  expect(codeOf("{{ 1 // 0 }}")).toBe("TEMPLATE_VALUE");
  expect(codeOf("{{ list.append(1) }}")).toBe("TEMPLATE_SECURITY");
  expect(codeOf("{{ raise_exception('no') }}")).toBe("TEMPLATE_RAISED");
  expect(codeOf("{{ 'a' * 100000000 }}")).toBe("TEMPLATE_LIMIT");
  expect(codeOf("{{ text.encode() }}")).toBe("TEMPLATE_UNSUPPORTED");
});
