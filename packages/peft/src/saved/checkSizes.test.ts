import { bytesSource, openSafetensors, writeSafetensors } from "@lowrank/core";
import { expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { AdaLoraConfig } from "../methods/lowRank/adaLoraConfig.ts";
import { checkSizes } from "./readAdapter.ts";

test("a size is at most the numbers that a file holds", async () => {
  const of = (name: string, shape: number[]) => ({
    ...{ name, shape, dtype: "f32" as const },
    bytes: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)),
  });
  const file = await openSafetensors(bytesSource(writeSafetensors([of("a", [3, 4]), of("b", [2]), of("c", [])])), "w");
  const check = (config: LoraConfig | AdaLoraConfig, sizes?: string[]) =>
    checkSizes(config, { sizes } as never, file, "f");
  check(new LoraConfig({ r: 15, rankPattern: { x: 15 } }));
  expect(() => check(new LoraConfig({ r: 16 }))).toThrow(
    new Error("f: r is 16, more than the 15 values in w; the files belong to different adapters"),
  );
  expect(() => check(new LoraConfig({ r: 1, rankPattern: { x: 2, y: 16 } }))).toThrow(
    new Error('f: rank_pattern["y"] is 16, more than the 15 values in w; the files belong to different adapters'),
  );
  check(new AdaLoraConfig({ initR: 16 }));
  expect(() => check(new AdaLoraConfig({ initR: 16 }), ["initR"])).toThrow("f: init_r is 16");
});
