import {
  checkpoint,
  copyInto,
  Generator,
  init,
  noGrad,
  reference,
  scope,
  sum,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { setBatch } from "@lowrank/nn/internal";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import type { PeftModel } from "../../peftModel/peftModel.ts";
import { TinyModel, tinyBatch } from "../../testing/tinyModel.ts";
import { LoraConfig } from "../lora/loraConfig.ts";
import { PolyConfig, type PolyOptions } from "./polyConfig.ts";

beforeAll(() => init(reference()));

const put = (options: PolyOptions = {}, taskIds?: readonly number[]) =>
  getPeftModel(
    new TinyModel({ taskIds }).eval(),
    new PolyConfig({ r: 2, nTasks: 3, nSkills: 2, initWeights: false, targetModules: ["up"], ...options }),
    { generator: new Generator(3) },
  );
const answer = (peft: PeftModel<TinyModel>, ids = tinyBatch()): number[] =>
  [...noGrad(() => scope(() => peft.forward(ids).logits)).dataSync()].map(Number);

/** Makes the router's tasks differ clearly. */
function spread(peft: PeftModel<TinyModel>, name = "default"): void {
  for (const [key, logits] of peft.adapterTensors(name)) {
    if (!key.endsWith("module_logits")) continue;
    const values = Float32Array.from({ length: logits.size }, (_, i) => 3 * Math.sin(5 * i + 1));
    using spread = tensor(values, { shape: logits.shape });
    noGrad(() => copyInto(logits, spread));
  }
}

test("each row has the answer of its task", async () => {
  const run = async (taskIds: readonly number[]) => {
    const peft = await put({}, taskIds);
    spread(peft);
    return answer(peft);
  };
  const [first, second, mixed] = [await run([0]), await run([2]), await run([0, 2])];
  const half = first.length / 2;
  expect(mixed.slice(0, half)).toEqual(first.slice(0, half));
  expect(mixed.slice(half)).toEqual(second.slice(half));
  expect(first).not.toEqual(second);
});

test("weights of skills are drawn in training only", async () => {
  const peft = await put({}, [1]);
  const still = answer(peft);
  expect(answer(peft)).toEqual(still);
  peft.train();
  const drawn = answer(peft);
  expect(drawn).not.toEqual(still);
  expect(answer(peft)).not.toEqual(drawn);
  peft.eval();
  expect(answer(peft)).toEqual(still);
});

test("several tasks need task ids, one task does not", async () => {
  const several = await put();
  expect(() => answer(several)).toThrow("the adapter has 3 tasks, and the batch has no taskIds; give the task of each");
  for (const id of [3, -1, 0.5]) {
    const peft = await put({}, [id]);
    expect(() => answer(peft)).toThrow(`taskIds has ${id}; expected a whole number from 0 to 2`);
  }
  const one = await put({ nTasks: 1 }, [1]);
  expect(() => answer(one)).toThrow("taskIds has 1; expected 0, the adapter's only task");
  expect(answer(await put({ nTasks: 1 }))).toEqual(answer(await put({ nTasks: 1 }, [0])));
  several.disableAdapter(() => answer(several));
});

test("as many task ids as rows", async () => {
  const peft = await put();
  const { up } = [...peft.baseModel.layers][0];
  setBatch({ taskIds: [0, 1, 2] });
  const x = tensor([[[1, 2, 3, 4, 5, 6]], [[1, 2, 3, 4, 5, 6]]]);
  expect(() => up.forward(x)).toThrow("taskIds has 3 elements for 2 rows; give the task of each row");
});

test("rows of tasks, of LoRA and of the base model are in one batch", async () => {
  const peft = await put({}, [2, 0, 1, 0]);
  spread(peft);
  await peft.addAdapter("lora", new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["up"] }));
  const config = new PolyConfig({ r: 3, nTasks: 2, initWeights: false, targetModules: ["up"] });
  await peft.addAdapter("other", config);
  const ids = [...tinyBatch().dataSync()].map(Number).slice(0, 5);
  const rows = (count: number) => tensor(Array<number[]>(count).fill(ids), { dtype: "i32" });
  const names = ["default", "lora", "default", "other"];
  const mixed = peft.withAdapterNames(names, () => answer(peft, rows(4)));
  const size = mixed.length / 4;
  const rowOf = (values: readonly number[], row: number) => values.slice(row * size, (row + 1) * size);
  for (const [row, name] of names.slice(0, 3).entries()) {
    peft.setAdapter(name);
    const expected = rowOf(answer(peft, rows(4)), row);
    for (const [i, value] of rowOf(mixed, row).entries()) expect(value, `row ${row}`).toBeCloseTo(expected[i], 5);
  }
  expect(rowOf(mixed, 3)).not.toEqual(peft.disableAdapter(() => answer(peft, rows(1))));
  const wrong = () => peft.withAdapterNames(["other", "lora"], () => answer(peft));
  expect(wrong).toThrow("taskIds has 2; expected a whole number from 0 to 1");
});

test("splits must divide the layer's sizes", async () => {
  await expect(put({ nSplits: 4 })).rejects.toThrow("nSplits is 4, which does not divide the 6 inputs of layers.0.up");
  await expect(put({ nSplits: 3 })).rejects.toThrow(
    "nSplits is 3, which does not divide the 10 outputs of layers.0.up",
  );
});

test("gradient checkpointing computes with the tasks of the last forward pass, or throws", async () => {
  const peft = await put();
  const { up } = [...peft.baseModel.layers][0];
  const x = tensor([[[1, 2, 3, 4, 5, 6]]], { requiresGrad: true });
  const run = () => sum(checkpoint((input: Tensor) => up.forward(input))(x));
  setBatch({ taskIds: [1] });
  run().backward();
  const loss = run();
  setBatch({ taskIds: [2] });
  expect(() => loss.backward()).toThrow("call backward before the next forward pass");
});
