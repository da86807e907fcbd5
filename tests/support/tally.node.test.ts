import { expect, it } from "vitest";
import { formatTally, parseTally } from "./tally.ts";

it("reads back the tally it prints, as the last line alone", () => {
  const tally = { passed: 12, failed: 3 };
  expect(parseTally(`skipped: something\n${formatTally(tally)}\n\n`)).toEqual(tally);
  expect(parseTally("1 passed, 0 failed\nthen it crashed\n")).toBeUndefined();
  expect(parseTally("")).toBeUndefined();
});
