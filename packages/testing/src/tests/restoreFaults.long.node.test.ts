import { affine, copyInto, Generator, init, mul, noGrad, randn, sub, tensor } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import { quantize } from "@lowrank/nn";
import type { LayerAdapter } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll } from "vitest";
import { buildModel, smallestModel } from "../subjects/modelDescription.ts";
import { factorsOf, inLayer, inMerge, type MethodFault, testFaults } from "../testing/plantedFaults.ts";

beforeAll(() => init(wasm()));

/** Returns a model whose 4-bit weights have scales that are quantised too. */
async function doubleQuantized(): Promise<CausalLM> {
  const model = await buildModel({ ...smallestModel, width: 8 });
  await quantize(model, { quantType: "nf4", blockSize: 32, doubleQuant: true });
  return model;
}

/** Returns a fault in the first block of every second merge: the property merges twice and compares both. */
function wrongFirstBlock(): MethodFault["Config"] {
  const calls = new Map<LayerAdapter, number>();
  return inMerge("down_proj", (right, _, layer) => {
    const done = calls.get(layer) ?? 0;
    calls.set(layer, done + 1);
    if (done === 0) return right;
    const [rows, columns] = right.weight.shape;
    const scales = Float32Array.from({ length: rows * columns }, (_, i) => (i < 32 ? 1.5 : 1));
    return { ...right, weight: mul(right.weight, tensor(scales, { shape: [rows, columns] })) };
  });
}

const faults: MethodFault[] = [
  {
    fault: "a base weight from which the merge is subtracted with rounding",
    property: "unmergeRestoresBase",
    Config: inMerge("down_proj", (right, base) => {
      noGrad(() => copyInto(base.weight, sub(right.weight, sub(right.weight, affine(base.weight, { scale: 1 / 3 })))));
      noGrad(() => copyInto(base.weight, affine(base.weight, { scale: 3 })));
      return right;
    }),
    layer: /down_proj\.base_layer\.weight$/,
    message: /after unmergeAdapter, .* is the first tensor with other bits: element \d+/,
  },
  {
    fault: "a merged weight that shares memory with the base",
    property: "unmergeRestoresBase",
    Config: inMerge("down_proj", (right, base) => {
      noGrad(() => copyInto(base.weight, right.weight));
      return { ...right, weight: base.weight };
    }),
    layer: /down_proj\.base_layer\.weight$/,
    message: /after unmergeAdapter/,
  },
  {
    fault: "a merge that leaves its scale in the adapter",
    property: "unmergeRestoresBase",
    Config: inMerge("down_proj", (right, _, layer) => {
      const { b, scaling } = factorsOf(layer);
      noGrad(() => copyInto(b, affine(b, { scale: scaling })));
      return right;
    }),
    options: { loraAlpha: 8 },
    layer: /down_proj\.lora_B/,
    message: /after unmergeAdapter/,
  },
  {
    fault: "a matrix B that does not start at zero",
    property: "startsAsIdentity",
    Config: inLayer("down_proj", (layer) => {
      const { b } = factorsOf(layer);
      noGrad(() => copyInto(b, randn(b.shape, { generator: new Generator(2), std: 1e-3 })));
      return undefined;
    }),
    layer: /down_proj$/,
    message: /with a new adapter/,
  },
  {
    fault: "a requantised merge with a wrong scale in its first block",
    property: "requantizedMergeWithinBound",
    Config: wrongFirstBlock(),
    model: { width: 8, quantized: "nf4" },
    layer: /down_proj$/,
    message: /weight \[[0-3], \d+\] is .* half a step of nf4 is/,
  },
  {
    fault: "a requantised merge with a wrong scale in its first block, with doubleQuant",
    property: "requantizedMergeWithinBound",
    Config: wrongFirstBlock(),
    model: doubleQuantized,
    layer: /down_proj$/,
    message: /weight \[[0-3], \d+\] is .* half a step of nf4 is .* with the rounding of the scale/,
  },
];

testFaults(faults);
