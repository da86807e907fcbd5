import { copyInto, indexSelect, noGrad, type Tensor, tensor } from "@lowrank/core";
import { Linear, Module, Parameter } from "@lowrank/nn";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import type { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, withinOfLargest } from "../check/compare.ts";
import type { CaseChecks, OpCase } from "./opCase.ts";

/** The error of float32 against float64 rounded to float32, relative to a tensor's largest magnitude. */
const tolerance = 1e-5;

/** One linear layer as a model. */
class OneLayer extends Module {
  proj: Linear;

  constructor(weight: Tensor) {
    super();
    this.proj = new Linear(new Parameter(weight));
  }

  forward(x: Tensor): Tensor {
    return this.proj.forward(x);
  }
}

/** Returns the checks for an op of ops.json with an adapter for each row of a batch; undefined for other ops. */
export function rowAdapterChecks(op: string): CaseChecks | undefined {
  return op === "batchedLora" ? rowAdapters : undefined;
}

/**
 * Checks x [N, T, in] through W [out, in], with A [n, r, in] and B [n, out, r] of an adapter for each row. It uses LoRA
 * adapters of a PEFT model and `withAdapterNames`, and checks output and gradients.
 */
async function* rowAdapters(golden: GoldenFile, { id, params, inputs, outputs, grads }: OpCase): AsyncGenerator<Check> {
  const [x, w, a, b] = await Promise.all(inputs.map((name) => golden.tensor(name)));
  const dy = await golden.tensor(`${id}.dy0`);
  const { adapterIndices, scaling } = params as { adapterIndices: number[]; scaling: number };
  const [count, r] = a.shape;
  const config = new LoraConfig({ r, loraAlpha: scaling * r, targetModules: ["proj"] });
  const names = Array.from({ length: count }, (_, i) => `a${i}`);
  const peft = await getPeftModel(new OneLayer(w), config, { adapterName: names[0] });
  for (const name of names.slice(1)) await peft.addAdapter(name, config);
  const adapters = names.map((name) => [...peft.base_model.trained(name).values()]);
  for (const [i, [ownA, ownB]] of adapters.entries()) {
    using at = tensor(Int32Array.of(i));
    for (const [own, all] of [
      [ownA, a],
      [ownB, b],
    ]) {
      using value = indexSelect(all, at, { dim: 0 });
      noGrad(() => copyInto(own, value.reshape(own.shape)));
    }
  }
  x.requiresGrad = true;
  const rows = adapterIndices.map((index) => (index < 0 ? "__base__" : names[index]));
  const y = peft.withAdapterNames(rows, () => {
    const output = peft.forward(x);
    output.mul(dy).sum().backward();
    return output;
  });
  yield withinOfLargest(`ops/${outputs[0]}`, await y.data(), await golden.array(outputs[0]), tolerance);
  const slopes = [[x.grad], [], adapters.map(([own]) => own.grad), adapters.map(([, own]) => own.grad)];
  for (const [input, name] of Object.entries(grads)) {
    const parts: number[] = [];
    for (const grad of slopes[Number(input)]) parts.push(...((await grad!.data()) as Float32Array));
    yield withinOfLargest(`ops/${name}`, Float32Array.from(parts), await golden.array(name), tolerance);
  }
}
