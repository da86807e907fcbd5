import { expect, test } from "vitest";
import { shortName } from "./shortName.ts";

test.each([
  ["/home/ada/models/tiny", "tiny"],
  ["/home/ada/models/tiny/", "tiny"],
  ["models/tiny/config.json", "tiny"],
  ["/data/ia3/adapter_config.json", "ia3"],
  ["../model.Q4_1.gguf", "model.Q4_1.gguf"],
  ["llama-3.2-3b", "llama-3.2-3b"],
  ["/config.json", "config.json"],
])("%s is called %s", (source, name) => {
  expect(shortName(source)).toBe(name);
});
