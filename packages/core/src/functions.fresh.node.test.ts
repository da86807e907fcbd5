import { expect, test } from "vitest";

test("the entry of functions attaches no methods; the whole entry adds them to the same Tensor and backend", async () => {
  const functions = await import("@lowrank/core/functions");
  const { init, matmul, reference, Tensor, tensor } = functions;
  expect(["matmul", "backward", "T"].filter((name) => name in Tensor.prototype)).toEqual([]);
  await init(reference());
  const square = tensor([1, 2, 3, 4], { shape: [2, 2], requiresGrad: true });
  const product = matmul(square, square);
  expect(await product.toArray()).toEqual([
    [7, 10],
    [15, 22],
  ]);
  functions.backward(functions.sum(product));
  expect(await square.grad?.toArray()).toEqual([
    [7, 11],
    [9, 13],
  ]);

  const whole = await import("@lowrank/core");
  expect(Object.keys(whole)).toEqual(Object.keys(functions));
  expect(whole.Tensor).toBe(Tensor);
  expect(whole.currentBackend()).toBe(functions.currentBackend());
  expect(await (square as InstanceType<typeof whole.Tensor>).matmul(square).toArray()).toEqual(await product.toArray());
});
