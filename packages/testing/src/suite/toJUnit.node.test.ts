import { SaxesParser } from "saxes";
import { expect, test } from "vitest";
import type { SuiteReport } from "./shared/suiteReport.ts";
import { toJUnit } from "./toJUnit.ts";

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly children: Element[];
  text: string;
}

/** Parses XML. Throws if it is not well-formed. */
function parse(xml: string): Element {
  const root: Element = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  const parser = new SaxesParser();
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", ({ name, attributes }) => {
    const element = { name, attributes, children: [], text: "" };
    (open.at(-1) as Element).children.push(element);
    open.push(element);
  });
  parser.on("text", (text) => {
    (open.at(-1) as Element).text += text;
  });
  parser.on("closetag", () => void open.pop());
  parser.write(xml).close();
  return root.children[0];
}

const nasty = `a < b && "c" > 'd' ]]> \u0000\u0007\u001b[2J \uD800 \uFFFF é 😀\n\tnext\r`;
const check = { group: "prompts", passed: true, value: null, limit: null, message: "fine" } as const;
const report = (checks: SuiteReport["checks"]): SuiteReport => ({
  ...{ name: nasty, passed: false, adapter: "a", against: null, checks, answers: [], masks: [], comparison: null },
  ...{ measures: { base: {}, adapter: {}, against: null }, seconds: 1.5 },
});

test("a report is well-formed XML whatever its texts are, and counts its failures", () => {
  const xml = toJUnit(
    report([
      { ...check, name: "one" },
      { ...check, name: nasty, passed: false, message: nasty, value: 2, limit: 1 },
      { ...check, group: "heldOut", name: "loss", passed: false, message: "too large", value: Number.NaN, limit: 1 },
    ]),
  );
  const root = parse(xml);
  expect(root).toMatchObject({ name: "testsuites", attributes: { tests: "3", failures: "2", time: "1.500" } });
  expect(root.children.map(({ attributes: { tests, failures } }) => [tests, failures])).toEqual([
    ["2", "1"],
    ["1", "1"],
  ]);
  const [passed, failed] = root.children[0].children;
  expect(passed).toMatchObject({ name: "testcase", attributes: { name: "one" }, children: [] });
  // Characters that XML does not allow.
  const illegal = ["\u0000", "\u0007", "\u001b", "\uD800", "\uFFFF"];
  const readable = illegal.reduce((text, one) => text.replace(one, "\uFFFD"), nasty);
  expect(failed.attributes.name).toBe(readable);
  expect(failed.children[0]).toMatchObject({ name: "failure", attributes: { message: readable, type: "prompts" } });
  expect(failed.children[0].text).toBe(`${readable}\nvalue: 2, limit: 1`);
});
