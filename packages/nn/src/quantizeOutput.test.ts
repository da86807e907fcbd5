import { Generator, init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { Linear } from "./layers/linear/linear.ts";
import { Module } from "./module/module.ts";
import { quantize } from "./quantize/quantize.ts";

/** A model whose output layer is not the last one that it lists. */
class HeadFirst extends Module {
  lm_head: Linear;
  up: Linear;
  down: Linear;

  constructor() {
    super();
    const generator = new Generator(1);
    this.lm_head = Linear.create(16, 20, { generator });
    this.up = Linear.create(16, 32, { generator });
    this.down = Linear.create(32, 16, { generator });
  }
}

class Wrapped extends Module {
  decoder = new HeadFirst();
  value = Linear.create(16, 32, { generator: new Generator(2) });
}

beforeAll(() => init(reference()));

test("lm_head is left by default wherever it stands, beside the last layer", async () => {
  const left = async (model: Module) => (await quantize(model)).skipped.map(({ path }) => path);
  expect(await left(new HeadFirst())).toEqual(["lm_head", "down"]);
  expect(await left(new Wrapped())).toEqual(["decoder.lm_head", "value"]);
});

test("skipModules takes the place of that default", async () => {
  const { quantized, skipped } = await quantize(new HeadFirst(), { skipModules: ["up"] });
  expect(quantized.map(({ path }) => path)).toEqual(["lm_head", "down"]);
  expect(skipped).toEqual([{ path: "up", reason: 'skipModules says "up"' }]);
});
