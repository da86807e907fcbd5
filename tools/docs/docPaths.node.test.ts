import { expect, it } from "vitest";
import { pathProblems } from "./docPaths.ts";

const files = new Map([
  ["docs/map.md", "# The map\n\n## What's here: `op` & more\n"],
  ["packages/core/src/engine/op.ts", ""],
]);
const tree = {
  exists: (path: string) =>
    [...files.keys()].some((file) => new RegExp(`^${path.replaceAll("*", "[^/]+")}$`).test(file)),
  read: (path: string) => files.get(path)!,
};
const check = (...lines: string[]) => pathProblems("docs/page.md", lines.join("\n"), tree);

it("finds nothing where links, headings and paths exist", () => {
  const page = [
    "# Page",
    "[map](map.md), [part](map.md#whats-here-op--more), [here](#page), [web](https://example.org/x.md)",
    "`packages/core/src/engine/op.ts`, `packages/core/src/engine/<op>.ts`, `npm test`",
    "```sh",
    "cat `packages/none.ts` [gone](gone.md)",
    "```",
  ];
  expect(check(...page)).toEqual([]);
});

it("names what does not exist", () => {
  expect(
    check("[gone](gone.md#x) [no part](map.md#none) [nor here](#none)", "`packages/core/src/ops/<op>.ts`"),
  ).toEqual([
    "the link gone.md#x leads to docs/gone.md, which does not exist",
    "the link map.md#none names a heading that docs/map.md does not have",
    "the link #none names a heading that docs/page.md does not have",
    "the path packages/core/src/ops/<op>.ts does not exist",
  ]);
});
