import { checkpoint, Generator, init, randn, reference, scope, sum, type Tensor, tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { AdaLoraConfig } from "../methods/lowRank/adaLoraConfig.ts";
import { TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";
import { getPeftModel } from "./getPeftModel.ts";
import type { PeftModel } from "./peftModel.ts";

beforeAll(() => init(reference()));

const config = new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["up", "down"] });

async function two(): Promise<PeftModel<TinyModel>> {
  const peft = await getPeftModel(new TinyModel().eval(), config, { adapterName: "a", generator: new Generator(1) });
  await peft.addAdapter("b", config, { generator: new Generator(2) });
  return peft;
}

const logits = (peft: PeftModel<TinyModel>, ids: Tensor = tinyBatch()) => scope(() => peft.forward(ids)).logits;
const numbers = (t: Tensor) => Array.from(t.dataSync() as Float32Array);

test("rows of each adapter and of the base model, in async functions too", async () => {
  const peft = await two();
  const a = numbers(logits(peft)).slice(0, 55);
  const base = numbers(peft.disableAdapter(() => logits(peft))).slice(55);
  const mixed = await peft.withAdapterNames(["a", "__base__"], async () => {
    await Promise.resolve();
    return numbers(logits(peft));
  });
  for (const [i, value] of [...a, ...base].entries()) expect(mixed[i]).toBeCloseTo(value, 5);
  expect(numbers(logits(peft)).slice(0, 55)).toEqual(a);
});

test("what is wrong is said, and leaves the active adapter in place", async () => {
  const peft = await two();
  const before = numbers(logits(peft));
  const inside = (fn: () => unknown) => () => peft.withAdapterNames(["a", "b"], fn);
  expect(() => peft.withAdapterNames(["a", "c"], () => 0)).toThrow('there is no adapter "c"; there are a, b');
  expect(() => peft.withAdapterNames([], () => 0)).toThrow("name an adapter for each row");
  expect(() => peft.withAdapterNames(["a", "b", "a"], () => logits(peft))).toThrow(
    "3 names for an input [2,5,6] of an adapted module; its first dimension must be the batch's 3 rows",
  );
  expect(inside(() => peft.setAdapter("b"))).toThrow("cannot set an adapter inside of withAdapterNames");
  expect(inside(() => peft.deleteAdapter("b"))).toThrow("cannot delete an adapter inside of withAdapterNames");
  expect(inside(() => peft.disableAdapter(() => 0))).toThrow('name "__base__" for rows without one');
  expect(inside(() => peft.withAdapterNames(["a"], () => 0))).toThrow("name adapters for rows inside of");
  expect(() => peft.disableAdapter(() => peft.withAdapterNames(["a"], () => 0))).toThrow("inside of disableAdapter");
  await expect(peft.addAdapter("__base__", config)).rejects.toThrow("cannot be an adapter's name");
  expect(numbers(logits(peft))).toEqual(before);
});

test("merged weights stand in the way", async () => {
  const peft = await two();
  await peft.mergeAdapter();
  expect(() => peft.withAdapterNames(["a", "b"], () => 0)).toThrow("a is merged; call unmergeAdapter");
});

test("adapters named for rows train together; those loaded for inference do not", async () => {
  const peft = await two();
  await peft.addAdapter("c", config, { generator: new Generator(3) });
  const trainable = (names: string[]) => peft.withAdapterNames(names, () => [...peft.trainableParameters()].length);
  const each = peft.base_model.trained("a").size;
  expect(trainable(["a", "b"])).toBe(2 * each);
  expect(trainable(["b", "__base__"])).toBe(each);
  peft.base_model.setTrainable("c", false);
  expect(trainable(["b", "c"])).toBe(each);
  expect([...peft.trainableParameters()]).toEqual([...peft.base_model.trained("a").values()]);
  const values = (name: string) => [...peft.base_model.trained(name).values()].map(numbers);
  const before = { a: values("a"), b: values("b"), c: values("c") };
  const losses = peft.withAdapterNames(["b", "c"], () => train(peft, 3));
  expect(losses[2]).toBeLessThan(losses[0]);
  expect(values("a")).toEqual(before.a);
  expect(values("b")).not.toEqual(before.b);
  expect(values("c")).toEqual(before.c);
});

test("every adapter that acts adds its penalty to the loss, once", async () => {
  const adaLora = new AdaLoraConfig({ initR: 3, totalStep: 10, targetModules: ["up"] });
  const peft = await getPeftModel(new TinyModel().eval(), adaLora, { adapterName: "a" });
  await peft.addAdapter("b", adaLora, { generator: new Generator(5) });
  const loss = () => scope(() => peft.loss(tinyBatch()).itemSync());
  const plain = peft.disableAdapter(loss);
  const a = loss() - plain;
  peft.setAdapter("b");
  const b = loss() - plain;
  expect(Math.min(a, b)).toBeGreaterThan(0);
  expect(peft.withAdapterNames(["a", "b"], loss) - plain).toBeCloseTo(a + b, 5);
  expect(peft.withAdapterNames(["a", "a"], loss) - plain).toBeCloseTo(a, 5);
});

test("a checkpoint is not computed again with other adapters than before", async () => {
  const peft = await two();
  const layer = [...peft.baseModel.layers][0].up as UnaryModule;
  const x = randn([2, 3, 6], { generator: new Generator(4), requiresGrad: true });
  const forgetful = () => sum(checkpoint((h: Tensor) => layer.forward(h))(x));
  const outside = peft.withAdapterNames(["a", "b"], forgetful);
  expect(() => outside.backward()).toThrow("call backward before setAdapter, and inside of withAdapterNames");
  const before = forgetful();
  peft.setAdapter("b");
  expect(() => before.backward()).toThrow("call backward before setAdapter");
  const gradient = (run: () => Tensor) => {
    x.grad = null;
    peft.withAdapterNames(["a", "b"], () => run().backward());
    return numbers(x.grad!);
  };
  expect(gradient(forgetful)).toEqual(gradient(() => sum(layer.forward(x))));
});

test("inputs that all rows share cannot be split", async () => {
  const peft = await getPeftModel(new TinyModel().eval(), new LoraConfig({ r: 2, targetModules: ["embed_tokens"] }));
  const run = () => (peft.baseModel.embed_tokens as UnaryModule).forward(tensor([1, 2], { dtype: "i32" }));
  expect(() => peft.withAdapterNames(["default", "__base__"], run)).toThrow(
    "2 names for an input [2] of an adapted module",
  );
});

test("one merged adapter stands in the way of rows and of another merge", async () => {
  const peft = await two();
  await peft.mergeAdapter({ adapterNames: ["a"] });
  await expect(peft.mergeAdapter({ adapterNames: ["b"] })).rejects.toThrow("a is merged; call unmergeAdapter first");
  expect(() => peft.withAdapterNames(["a", "b"], () => 0)).toThrow(
    "a is merged; call unmergeAdapter before you name adapters for rows",
  );
});
