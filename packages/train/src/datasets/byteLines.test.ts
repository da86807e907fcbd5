import { expect, test } from "vitest";
import { byteLines, joinBytes } from "./byteLines.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function linesOf(
  pieces: readonly Uint8Array[],
): Promise<[text: string, line: number, offset: number, end: string][]> {
  async function* all() {
    yield* pieces;
  }
  const lines: [string, number, number, string][] = [];
  for await (const line of byteLines(all())) {
    lines.push([String.fromCharCode(...line.bytes), line.line, line.offset, line.end]);
  }
  return lines;
}

test.each<[text: string, lines: [text: string, line: number, offset: number, end: string][]]>([
  ["", []],
  ["a", [["a", 1, 0, ""]]],
  ["a\n", [["a", 1, 0, "\n"]]],
  ["\n", [["", 1, 0, "\n"]]],
  [
    "a\r\nbc\n\nd",
    [
      ["a", 1, 0, "\r\n"],
      ["bc", 2, 3, "\n"],
      ["", 3, 6, "\n"],
      ["d", 4, 7, ""],
    ],
  ],
  ["a\rb\r", [["a\rb\r", 1, 0, ""]]],
  [
    "\ufeffa\nb",
    [
      ["a", 1, 3, "\n"],
      ["b", 2, 5, ""],
    ],
  ],
  ["\ufeff\r\n", [["", 1, 3, "\r\n"]]],
])("the lines of %j, in pieces of any size", async (text, lines) => {
  const whole = bytes(text);
  for (let size = 1; size <= Math.max(1, whole.length); size++) {
    const pieces = [];
    for (let at = 0; at < whole.length; at += size) pieces.push(whole.subarray(at, at + size));
    expect(await linesOf(pieces), `pieces of ${size}`).toEqual(lines);
  }
  expect(await linesOf([new Uint8Array(), whole, new Uint8Array()])).toEqual(lines);
});

test("a byte order mark is a part of later lines", async () => {
  const [, second] = await linesOf([bytes("a\n\ufeffb")]);
  expect(second.slice(1)).toEqual([2, 2, ""]);
  expect(second[0]).toHaveLength(4);
});

test("joins pieces", () => {
  const one = Uint8Array.of(1);
  expect(joinBytes([one])).toBe(one);
  expect(joinBytes([])).toEqual(new Uint8Array());
  expect(joinBytes([one, Uint8Array.of(2, 3), Uint8Array.of(), Uint8Array.of(4)])).toEqual(Uint8Array.of(1, 2, 3, 4));
});
