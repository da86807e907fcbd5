import { expect, test } from "vitest";
import { lineOfBadText } from "./lineOfBadText.ts";

const [good, bad, end] = [[0x61, 0xc3, 0xa9], [0xff], [10]];

test.each([
  [[...bad], 1],
  [[...good, ...end, ...bad], 2],
  [[...end, ...bad, ...end, ...good], 2],
  [[...end, ...end, 0xc3, ...end, ...bad], 3],
  [[...good, ...end, ...good, ...bad, ...good], 2],
])("the first line that is no UTF-8: %j", (bytes, line) => {
  expect(lineOfBadText(Uint8Array.from(bytes))).toBe(line);
});
