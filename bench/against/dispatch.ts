import { add, init, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { medianTime } from "./medianTime.ts";
import type { Parts } from "./subject.ts";

const calls = 10_000;

/** Times 10,000 calls of `add` on two tensors of one element, with gradients recorded and the results disposed. */
export async function dispatch(): Promise<Parts> {
  await init(wasm());
  const [a, b] = [tensor([1], { requiresGrad: true }), tensor([2], { requiresGrad: true })];
  const run = () => {
    for (let i = 0; i < calls; i++) add(a, b).dispose();
  };
  return { add: await medianTime(run, 5, 25) };
}
