import { init, reference } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { describe, expect, it } from "vitest";
import { goldenFolder } from "../sharedFolder.ts";
import { ops } from "./ops.ts";
import { optimisersAndSchedules } from "./optimisers.ts";

const dir = goldenFolder;

describe.each([
  ["reference", reference],
  ["wasm relaxed", () => wasm({ build: "relaxed" })],
  ["wasm simd", () => wasm({ build: "simd" })],
] as const)("golden ops on %s", (_name, start) => {
  it.each([ops, optimisersAndSchedules])("%o", async (suite) => {
    await init(start());
    let checks = 0;
    for await (const { name, error } of suite(dir)) {
      checks++;
      expect(error, name).toBeUndefined();
    }
    expect(checks).toBeGreaterThan(0);
  });
});
