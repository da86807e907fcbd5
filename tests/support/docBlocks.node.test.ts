import { expect, it } from "vitest";
import { docBlocks } from "./docBlocks.ts";

const markdown = [
  "# Title",
  "```ts run",
  "const a = 1;",
  "```",
  "text",
  "```ts continues",
  "a + 1;",
  "```",
  "```sh",
  "ls",
  "```",
];

it("keeps each line of code at its own line of the Markdown file", () => {
  const [ts, sh, ...more] = docBlocks("README.md", markdown.join("\n"));
  expect(more).toEqual([]);
  expect(ts).toMatchObject({ line: 2, language: "ts", words: ["run"] });
  expect(ts.code.split("\n")).toEqual(["", "", "const a = 1;", "", "", "", "a + 1;", ""]);
  expect(sh.code.split("\n").indexOf("ls")).toBe(markdown.indexOf("ls"));
});

it("continues the last block of the same language, after blocks of others too", () => {
  const blocks = docBlocks("README.md", [...markdown, "```ts continues", "a + 2;", "```"].join("\n"));
  expect(blocks.map(({ language }) => language)).toEqual(["ts", "sh"]);
  expect(blocks[0].code.split("\n")[12]).toBe("a + 2;");
});

it("refuses a block without its end", () => {
  expect(() => docBlocks("README.md", "a\n```ts\nb")).toThrow("README.md:2: the code block has no closing ```");
});
