import {
  add,
  affine,
  copyInto,
  Generator,
  gt,
  indexSelect,
  init,
  matmul,
  mul,
  noGrad,
  randn,
  type Tensor,
  tensor,
  where,
} from "@lowrank/core";
import type { LayerAdapter } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll } from "vitest";
import { changed, faultyLora, wrongMergeScale } from "../testing/faultyMethods.ts";
import { factorsOf, inLayer, inMerge, type MethodFault, rowOf, testFaults } from "../testing/plantedFaults.ts";

beforeAll(() => init(wasm()));

const ups = new Map<string, LayerAdapter>();
const random = new Generator(1);

const faults: MethodFault[] = [
  {
    fault: "a merge with twice the scale",
    property: "mergeEqualsUnmerged",
    Config: faultyLora("FAULT_SCALE", wrongMergeScale("0.mlp.down_proj", 2)),
    layer: /down_proj$/,
    message: /after mergeAdapter, .* unmerged, .* merged\)/,
  },
  {
    fault: "a merge that forgets the bias of B",
    property: "mergeEqualsUnmerged",
    Config: inMerge("v_proj", (right, base) => ({ ...right, bias: base.bias })),
    options: { loraBias: true },
    layer: /v_proj$/,
    message: /after mergeAdapter/,
  },
  {
    fault: "a merge that transposes the update of a Conv1D",
    property: "mergeEqualsUnmerged",
    Config: inMerge("attn.c_proj", (right, base, layer) => {
      const { a, b, scaling } = factorsOf(layer);
      return { ...right, weight: add(base.weight, affine(matmul(b, a), { scale: scaling })) };
    }),
    model: { architecture: "gpt2" },
    layer: /attn\.c_proj$/,
    message: /after mergeAdapter/,
  },
  {
    fault: "a merge into another target of the same shape",
    property: "mergeEqualsUnmerged",
    Config: faultyLora("FAULT_TARGET", (layer, { path }) => {
      if (path.endsWith("up_proj")) ups.set("up", layer);
      if (!path.endsWith("gate_proj")) return layer;
      return changed(layer, { merge: (base, bare) => ups.get("up")!.merge!(base, bare) });
    }),
    layer: /gate_proj$/,
    message: /after mergeAdapter/,
  },
  {
    fault: "a merge with NaN in one row",
    property: "mergeEqualsUnmerged",
    Config: inMerge("o_proj", (right) => ({
      ...right,
      weight: mul(right.weight, rowOf(Number.NaN, right.weight.shape)),
    })),
    ...{ layer: null, code: "threw" },
    message: /would give model\.layers\.0\.self_attn\.o_proj\.weight a NaN or an infinity/,
  },
  {
    fault: "a merge with infinite values in one row",
    property: "mergeEqualsUnmerged",
    Config: inMerge("o_proj", (right) => ({
      ...right,
      weight: mul(right.weight, rowOf(Number.POSITIVE_INFINITY, right.weight.shape)),
    })),
    ...{ layer: null, code: "threw" },
    message: /would give model\.layers\.0\.self_attn\.o_proj\.weight a NaN or an infinity/,
  },
  {
    fault: "dropout that stays on in evaluation",
    property: "mergeEqualsUnmerged",
    Config: inLayer("down_proj", (layer) => {
      const added = layer.added!;
      const dropped = (x: Tensor) => {
        const noise = randn(x.shape, { generator: random });
        return added(where(gt(noise, 0), affine(x, { scale: 2 }), affine(x, { scale: 0 })));
      };
      return { forward: (x, base) => add(base.forward(x), dropped(x)) };
    }),
    layer: /down_proj$/,
    message: /after mergeAdapter/,
  },
  {
    fault: "an embedding that reads the wrong row for the padding token",
    property: "mergeEqualsUnmerged",
    Config: inLayer("embed_tokens", (layer) => {
      const added = layer.added!;
      const next = tensor(Int32Array.of(1, 1, 2, 3, 4));
      return {
        forward: (ids, base) => {
          const wrong = indexSelect(next, ids.reshape([-1]), { dim: 0 }).reshape([...ids.shape]);
          return add(base.forward(ids), added(wrong));
        },
      };
    }),
    options: { targetModules: ["embed_tokens"] },
    layer: /embed_tokens$/,
    message: /after mergeAdapter/,
  },
  {
    fault: "a merge into a tied embedding that also reaches the output layer",
    property: "mergeEqualsUnmerged",
    Config: inMerge("wte", (right, base) => {
      noGrad(() => copyInto(base.weight, right.weight));
      return right;
    }),
    model: { architecture: "gpt2" },
    options: { targetModules: ["wte"] },
    layer: /lm_head$/,
    message: /after mergeAdapter/,
  },
];

testFaults(faults);
