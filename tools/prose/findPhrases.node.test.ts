import { describe, expect, it, test } from "vitest";
import { commentText, findBadComments, findPhrases } from "./findPhrases.ts";

const linesOf = async (path: string, source: string) => (await findPhrases(path, source)).map(({ line }) => line);

describe("findPhrases", () => {
  it("finds a phrase in a page, also across two lines", async () => {
    const page = "# Title\n\nThe shape\nof a tensor lies\nin a list.\n\n- It tells the backend.\n";
    expect(await findPhrases("a.md", page)).toEqual([
      { line: 4, message: "lies\nin => is stored in, is at" },
      { line: 7, message: "tells => prints, returns, reports, describes" },
    ]);
  });

  it("finds a phrase in each kind of comment, by its line in the file", async () => {
    const source = [
      "/** Size of a row, and that of a column. */",
      "const a = 1; // Made anew.",
      "/**",
      " * A list of",
      " * its own.",
      " */",
      "const text = 'it tells nothing'; /* Kept beside the list. */",
    ].join("\n");
    expect(await linesOf("a.ts", source)).toEqual([1, 2, 4, 7]);
  });

  it("leaves out code, texts of a program, and plain sentences", async () => {
    expect(await linesOf("a.md", "Use `tell()`.\n\n```ts\ntell(beside);\n```\n")).toEqual([]);
    expect(await linesOf("a.ts", 'const a = "beside"; // The next row.\n// biome-ignore lint: tells\n')).toEqual([]);
  });
});

test("the text of comments keeps the line numbers, and leaves out code", () => {
  const source =
    "/**\n * First.\n *\n * - item\n */\nconst url = 'https://a//b'; // last\nconst re = /\\/* no *\\//;\n";
  expect(commentText(source)).toBe("\nFirst.\n\n- item\n\nlast\n\n");
});

describe("findBadComments", () => {
  const long = "word ".repeat(24).trim();

  it("accepts comments of 120 columns, long code, and doc comments that begin with a subject", () => {
    const source = [
      `/** ${"x".repeat(113)} */`,
      `const text = "${long} ${long}";`,
      `const text = "${long}"; // short`,
      "/**\n * Returns the rows.\n *\n * What follows is text.\n */",
      "/** Whatever is left. */",
      "/* Why this is no doc comment. */",
      "/** */ export const What = 1;",
    ].join("\n");
    expect(findBadComments(source)).toEqual([]);
  });

  it.each([`// ${long}`, `  /** ${long} */`, `/**\n * ${long}\n */`])("refuses the long comment %j", (source) => {
    const line = source.startsWith("/**\n") ? 2 : 1;
    const message = expect.stringMatching(/^a comment of \d+ columns; wrap it at 120$/);
    expect(findBadComments(source)).toEqual([{ line, message }]);
  });

  it.each(["What", "How", "Whether", "Where", "That", "Which", "When", "Why"])(
    "refuses a doc comment that begins with %s",
    (word) => {
      const message = `a doc comment begins with "${word}"; name first what the thing is or does`;
      expect(findBadComments(`const a = 1;\n  /** ${word} it is. */`)).toEqual([{ line: 2, message }]);
      expect(findBadComments(`/**\n * ${word} it is.\n */`)).toEqual([{ line: 2, message }]);
    },
  );
});
