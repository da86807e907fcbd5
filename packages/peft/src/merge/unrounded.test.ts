import { Generator, getFloat32MatmulPrecision, init, randn, setFloat32MatmulPrecision } from "@lowrank/core";
import { Linear, Parameter } from "@lowrank/nn";
import { OneLayer } from "@lowrank/test-support/oneLayer";
import { wasm } from "@lowrank/wasm";
import { afterEach, beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";

beforeAll(async () => {
  await init(await wasm({ threads: 1 }));
});
afterEach(() => setFloat32MatmulPrecision("highest"));

/** A layer that is large enough for quantised products, with LoRA that changes its output. */
async function adapted() {
  const generator = new Generator(1);
  const linear = new Linear(new Parameter(randn([192, 256], { generator })));
  const config = new LoraConfig({ r: 4, targetModules: ["layer"], initLoraWeights: false });
  const peft = await getPeftModel(new OneLayer(linear), config, { generator });
  return { peft, linear };
}

test("a merge is checked in f32 where products take fewer bits", async () => {
  const { peft } = await adapted();
  setFloat32MatmulPrecision("high");
  await peft.mergeAdapter();
  expect(peft.isMerged).toBe(true);
  expect(getFloat32MatmulPrecision()).toBe("high");
});

test("and where those of the base weight do", async () => {
  const { peft, linear } = await adapted();
  const { weight } = linear;
  weight.precision = "high";
  await peft.mergeAdapter();
  expect([linear.weight === weight, linear.weight.precision]).toEqual([false, "high"]);
  peft.unmergeAdapter();
  expect(weight.precision).toBe("high");
});
