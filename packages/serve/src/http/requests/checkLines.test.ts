import { expect, test } from "vitest";
import { checkLines } from "./checkLines.ts";

/** Passes a text through in pieces of `size`, and returns the output. */
async function passed(text: string | Uint8Array, size: number): Promise<string> {
  const whole = typeof text === "string" ? new TextEncoder().encode(text) : text;
  async function* pieces() {
    for (let at = 0; at < whole.length; at += size) yield whole.slice(at, at + size);
  }
  const decoder = new TextDecoder();
  let out = "";
  for await (const piece of checkLines(pieces())) out += decoder.decode(piece, { stream: true });
  return out;
}

async function problemOf(text: string | Uint8Array, size: number): Promise<string> {
  try {
    await passed(text, size);
  } catch (error) {
    return (error as Error).message.replace("The file is no JSONL of examples: ", "");
  }
  return "";
}

test.each([1, 2, 3, 5, 100])("good files pass as they are, in pieces of %s", async (size) => {
  for (const text of ['{"a":1}', '{"a":1}\n', '{"a":1}\r\n\n  \n{"b":"é"}\n', '\n{"a":[]}']) {
    expect(await passed(text, size)).toBe(text);
  }
});

test.each([1, 2, 3, 5, 100])("the first bad line is named, in pieces of %s", async (size) => {
  expect(await problemOf('{"a":1}\n[1]\n', size)).toBe("line 2: it is no JSON object.");
  expect(await problemOf('\n\n{"a":1}\nnull', size)).toBe("line 4: it is no JSON object.");
  expect(await problemOf("1", size)).toBe("line 1: it is no JSON object.");
  expect(await problemOf('{"a":1}\n{"a"\n', size)).toContain("line 2: it is not valid JSON");
  expect(await problemOf(Uint8Array.of(0x7b, 0x7d, 10, 0xff, 10), size)).toBe("line 2: it is not valid UTF-8.");
});

test("a file needs a line", async () => {
  expect(await problemOf("", 1)).toBe("it holds no line.");
  expect(await problemOf(" \n\n", 1)).toBe("it holds no line.");
});

test("a line has at most 16 MiB", async () => {
  const most = 16 * 2 ** 20;
  const line = (length: number) => new Uint8Array(length).fill(32);
  expect(await problemOf(line(most), most / 4)).toBe("it holds no line.");
  expect(await problemOf(line(most + 1), most / 4)).toBe(`line 1: it has more than ${most} bytes.`);
});
