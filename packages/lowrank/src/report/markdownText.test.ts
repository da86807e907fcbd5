import { expect, test } from "vitest";
import { codeBlock, markdownInline, markdownText } from "./table.ts";

test("text keeps its signs, in a line", () => {
  expect(markdownText("a <b>*bold*</b>\n[x](y) `c` a_b $1$ &amp; \\")).toBe(
    "a \\<b\\>\\*bold\\*\\</b\\> \\[x\\](y) \\`c\\` a\\_b \\$1\\$ \\&amp; \\\\",
  );
  expect(markdownText("# no heading")).toBe("\\# no heading");
  expect(markdownText("1. no list")).toBe("1\\. no list");
  expect(markdownText("- no list")).toBe("\\- no list");
  expect(markdownText("out-1/run.json")).toBe("out-1/run.json");
});

test("a block of code is longer fenced than what is in it", () => {
  expect(codeBlock("sh", "a")).toEqual(["```sh", "a", "```"]);
  expect(codeBlock("", "````")).toEqual(["`````", "````", "`````"]);
});

test("markdownInline: markup and bars are text, names stay readable", () => {
  expect(markdownInline("<img src=x onerror=alert(1)> & [a](b)|*c*")).toBe(
    "\\<img src=x onerror=alert(1)\\> \\& \\[a\\](b)\\|\\*c\\*",
  );
  expect(markdownInline("q_proj, _b_")).toBe("q_proj, \\_b\\_");
});
