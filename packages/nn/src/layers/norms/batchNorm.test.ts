import { checkpoint, gradients, init, ones, reference, type Tensor, tensor } from "@lowrank/core";
import { expectClose } from "@lowrank/core/testing";
import { beforeAll, expect, it } from "vitest";
import golden from "./batchNorm.gen.json" with { type: "json" };
import { BatchNorm1d, BatchNorm2d } from "./batchNorm.ts";

// PyTorch's results, written by conformance/python/batch_norm.py.

beforeAll(() => init(reference()));

interface Stored {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

const made = ({ shape, values }: Stored, requiresGrad = false) => tensor(values, { shape, requiresGrad });
const close = (what: string, t: Tensor, { shape, values }: Stored) =>
  expectClose(what, { shape: t.shape, data: t.dataSync() }, { shape, data: values }, 1e-5);

it.each(golden.map((one, i) => [`${one.name} #${i}`, one] as const))("%s is PyTorch's", (_name, { name, ...one }) => {
  const layer = new { BatchNorm1d, BatchNorm2d }[name as "BatchNorm1d"](one.state.weight.shape[0], { momentum: 0.3 });
  layer.loadStateDict({ weight: made(one.state.weight), bias: made(one.state.bias) }, { strict: false });
  for (const step of one.steps) {
    const x = made(step.x, true);
    const out = layer.train(step.train).forward(x);
    close("out", out, step.out);
    const [dx, dweight, dbias] = gradients(out, [x, layer.weight, layer.bias], { gradient: made(step.dout) });
    close("dx", dx, step.dx);
    close("dweight", dweight, step.dweight);
    close("dbias", dbias, step.dbias);
  }
  const state = layer.stateDict();
  expect([...state.keys()]).toEqual(Object.keys(one.after));
  for (const [key, value] of state) close(key, value, one.after[key as keyof typeof one.after]);
});

it("refuses to count a batch twice in a checkpoint", () => {
  const layer = new BatchNorm1d(2);
  const out = checkpoint((x: Tensor) => layer.forward(x))(ones([3, 2], { requiresGrad: true }));
  expect(() => out.sum().backward()).toThrow(
    "BatchNorm1d: gradient checkpointing would count the batch twice in the running statistics; keep the layer out of the checkpoint",
  );
});

it("names an input that does not fit, and a batch too small to train on", () => {
  const layer = new BatchNorm2d(2);
  expect(() => layer.forward(ones([3, 2]))).toThrow("BatchNorm2d: the input [3,2] is not of 4 dimensions with 2");
  expect(() => layer.forward(ones([1, 2, 1, 1]))).toThrow(
    "[1,2,1,1] has 1 value per channel, but training needs at least 2; give a larger batch",
  );
  expect(layer.eval().forward(ones([1, 2, 1, 1])).shape).toEqual([1, 2, 1, 1]);
});
