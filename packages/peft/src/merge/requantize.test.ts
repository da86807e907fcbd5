import { init, quantize4bit, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { TinyModel } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

const config = new LoraConfig({ r: 2, targetModules: ["up", "down"], initLoraWeights: false });
const weights = (model: TinyModel, dtype: string) =>
  [...model.namedParameters()].filter(([name, weight]) => /(up|down)\.weight$/.test(name) && weight.dtype === dtype);

test.each([
  { quantType: "nf4", blockSize: 32, doubleQuant: false },
  { quantType: "nf4", blockSize: 32, doubleQuant: true },
  { quantType: "fp4", blockSize: 64, doubleQuant: false },
] as const)(
  "a requantising merge into $quantType packs as the weight was, doubleQuant $doubleQuant",
  async (options) => {
    const merged = async (packed: { requantize: true } | { dtype: "f32" }) => {
      const peft = await getPeftModel(new TinyModel({ quantize: options }).eval(), config);
      return peft.mergeAndUnload({ ...packed, verify: false });
    };
    const [found, full] = [await merged({ requantize: true }), await merged({ dtype: "f32" })];
    const sums = new Map(weights(full, "f32"));
    const packed = weights(found, options.quantType);
    expect(packed.map(([name]) => name)).toEqual([...sums.keys()]);
    for (const [name, weight] of packed) {
      expect(weight.packing).toEqual({ blockSize: options.blockSize, nested: options.doubleQuant });
      const sum = sums.get(name)!.detach();
      const outFirst = name.endsWith("down.weight") && sum.shape[0] !== weight.shape[0] ? sum.transpose(0, 1) : sum;
      expect(await weight.bytes()).toEqual(await quantize4bit(outFirst, options).bytes());
    }
  },
);
