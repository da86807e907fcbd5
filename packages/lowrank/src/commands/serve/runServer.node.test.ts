import { expect, test } from "vitest";
import { lengthNote } from "./runServer.ts";

test("a cache that limits sequences gives a warning with the setting and the memory that raise the limit", () => {
  expect(lengthNote({ maxPositions: 5824, modelPositions: 8192 }, {})).toBe(
    "sequences have at most 5824 tokens, and the model takes 8192: the cache holds no more; " +
      "give --kv-cache-tokens 8192 for all of them, about 361 MiB instead of 256, " +
      "or --max-model-len 5824 to accept the limit",
  );
  const given = lengthNote({ maxPositions: 1024, modelPositions: 8192 }, { "kv-cache-tokens": 1024 });
  expect(given).toContain("--kv-cache-tokens 8192 for all of them, or --max-model-len 1024");
});

test("the model's own length, or a length that the user set, gives no warning", () => {
  expect(lengthNote({ maxPositions: 8192, modelPositions: 8192 }, {})).toBeNull();
  expect(lengthNote({ maxPositions: 512, modelPositions: 8192 }, { "max-model-len": 512 })).toBeNull();
});
