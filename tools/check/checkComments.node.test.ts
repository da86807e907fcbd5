import { describe, expect, it } from "vitest";
import { checkComments } from "./checkComments.ts";

const long = "word ".repeat(24).trim();

describe("checkComments", () => {
  it("takes comments of 120 columns, long code, and doc comments that say what a thing is", () => {
    const source = [
      `/** ${"x".repeat(113)} */`,
      `const text = "${long} ${long}";`,
      "/** The number of rows. Where there are none, 0. */",
      "/**\n * Returns the rows.\n *\n * What follows is text.\n */",
      "/** Whatever is left. */",
      "/* Why this is no doc comment. */",
      "/** */ export const What = 1;",
    ].join("\n");
    expect(checkComments("packages/core/src/a.ts", source)).toEqual([]);
  });

  it.each([
    ["a.ts", `// ${long}`],
    ["a.ts", `  /** ${long} */`],
    ["a.ts", `/**\n * ${long}\n */`],
    ["a.mjs", `// ${long}`],
    ["a.py", `# ${long}`],
  ])("refuses a long comment in %s", (path, source) => {
    const line = source.startsWith("/**\n") ? 2 : 1;
    expect(checkComments(path, source)).toEqual([
      expect.stringMatching(`^${path}:${line}: a comment of \\d+ columns; wrap it at 120$`),
    ]);
  });

  it("knows the comments of a language", () => {
    expect(checkComments("a.ts", `  #name = "${long}";`)).toEqual([]);
    expect(checkComments("a.py", `*${long}`)).toEqual([]);
  });

  it.each(["What", "How", "Whether", "Where", "That", "Which", "When", "Why"])(
    "refuses a doc comment that begins with %s",
    (word) => {
      const problem = `a doc comment begins with "${word}"; say first what the thing is or does`;
      expect(checkComments("a.ts", `const a = 1;\n  /** ${word} it is. */`)).toEqual([`a.ts:2: ${problem}`]);
      expect(checkComments("a.ts", `/**\n * ${word} it is.\n */`)).toEqual([`a.ts:2: ${problem}`]);
    },
  );
});
