import {
  add,
  affine,
  clone,
  copyInto,
  Generator,
  gt,
  indexSelect,
  init,
  matmul,
  mean,
  mul,
  noGrad,
  randn,
  sub,
  type Tensor,
  tanh,
  tensor,
  to,
  where,
} from "@lowrank/core";
import type { Linear, UnaryModule } from "@lowrank/nn";
import {
  type DenseLayer,
  type LayerAdapter,
  type LayerContext,
  LoraConfig,
  type LoraOptions,
  lora,
} from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import type { PropertyCode, PropertyError } from "../errors/propertyError.ts";
import { type PropertyName, properties } from "../properties/properties.ts";
import { type ModelDescription, smallestModel } from "../subjects/modelDescription.ts";
import { changed, faultyLora, wrongMergeScale } from "../testing/faultyMethods.ts";

beforeAll(() => init(wasm()));

type Context = LayerContext<LoraConfig>;

interface MethodFault {
  fault: string;
  /** The property that finds the fault. */
  property: PropertyName;
  Config: ReturnType<typeof faultyLora>;
  model?: Partial<ModelDescription>;
  options?: LoraOptions;
  /** The layer or tensor that the error names. */
  layer: RegExp | null;
  /** Default: the property's own code. */
  code?: PropertyCode;
  message: RegExp;
}

let count = 0;

/** Makes a method with a fault in the layers whose path ends in `name`. */
function inLayer(
  name: string,
  plant: (layer: LayerAdapter, context: Context) => Partial<LayerAdapter> | undefined,
): ReturnType<typeof faultyLora> {
  return faultyLora(`FAULT_${++count}`, (layer, context) => {
    return context.path.endsWith(name) ? changed(layer, plant(layer, context) ?? {}) : layer;
  });
}

/** Makes a method whose merge of the layers `name` is replaced by `merge`, which gets the right merge's result. */
function inMerge(
  name: string,
  merge: (right: DenseLayer, base: DenseLayer, layer: LayerAdapter) => DenseLayer,
): ReturnType<typeof faultyLora> {
  return inLayer(name, (layer) => {
    const right = layer.merge!.bind(layer);
    return { merge: (base, bare) => merge(right(base, bare), base, layer) };
  });
}

/** Makes a method that saves other tensors than its trained ones for `down_proj`. */
function inFile(change: (key: string, value: Tensor) => [string, Tensor][]): ReturnType<typeof faultyLora> {
  return faultyLora(`FAULT_${++count}`, (layer) => layer, {
    filed: (_, trained) =>
      new Map(
        [...trained].flatMap(([key, value]) => {
          const own = clone(value.detach());
          return key.endsWith("down_proj.lora_B.weight") ? change(key, own) : [[key, own] as [string, Tensor]];
        }),
      ),
  });
}

/** Returns the layers of one path, in the order in which adapters were added. */
function byOrder(): (layer: LayerAdapter) => LayerAdapter[] {
  const all: LayerAdapter[] = [];
  return (layer) => {
    all.push(layer);
    return all;
  };
}

const factorsOf = ({ parameters, scaling }: LayerAdapter) => ({
  ...{ a: parameters["lora_A.weight"], b: parameters["lora_B.weight"] },
  scaling: scaling as number,
});

/** Returns a tensor of ones with one row of `value`. */
function rowOf(value: number, shape: readonly number[]): Tensor {
  const [rows, columns] = shape;
  return tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => (i < columns ? value : 1)),
    { shape: [rows, columns] },
  );
}

const random = new Generator(1);
const secondLayers = byOrder();
const switched = byOrder();
const ups = new Map<string, LayerAdapter>();
const mergeCalls = new Map<LayerAdapter, number>();

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
    fault: "a file without one tensor",
    property: "savesAndLoads",
    Config: inFile(() => []),
    ...{ layer: null, code: "threw" },
    message: /does not fit .* missing: .*down_proj\.lora_B\.weight/,
  },
  {
    fault: "a file with one tensor under another name",
    property: "savesAndLoads",
    Config: inFile((key, value) => [[key.replace("lora_B", "lora_C"), value]]),
    ...{ layer: null, code: "threw" },
    message: /does not fit .* missing: .*down_proj\.lora_B\.weight; unexpected: .*lora_C/,
  },
  {
    fault: "a file in half precision",
    property: "savesAndLoads",
    Config: inFile((key, value) => [[key, to(value, { dtype: "f16" })]]),
    layer: /down_proj\.lora_B/,
    message: /after loading, .* with other bits/,
  },
  {
    fault: "loading that ignores alpha",
    property: "savesAndLoads",
    Config: inLayer("down_proj", (layer, { loading }) => {
      if (loading) layer.scaling = 1;
      return undefined;
    }),
    options: { loraAlpha: 8 },
    layer: /down_proj$/,
    message: /after loading, .* saved, .* loaded\)/,
  },
  {
    fault: "loading that ignores the ranks of single layers",
    property: "savesAndLoads",
    Config: faultyLora("FAULT_PATTERN", (layer) => layer, {
      createLayer: (context) =>
        lora.createLayer(context.loading ? { ...context, config: context.config.with({ rankPattern: {} }) } : context),
    }),
    options: { rankPattern: { down_proj: 3 } },
    ...{ layer: null, code: "threw" },
    message: /down_proj\.lora_[AB]/,
  },
  {
    fault: "a switch that leaves the first adapter with another scale",
    property: "switchingLeavesNoTrace",
    Config: inLayer("down_proj", (layer) => {
      const forward = layer.forward.bind(layer);
      const [first] = switched(layer);
      return {
        forward: (x, base) => {
          if (layer !== first) first.scaling = 0.25;
          return forward(x, base);
        },
      };
    }),
    layer: /down_proj$/,
    message: /after setAdapter to a second adapter and back/,
  },
  {
    fault: "a base bias that gets gradients",
    property: "onlyAdaptersGetGradients",
    Config: inLayer("k_proj", (layer, { base }) => {
      const forward = layer.forward.bind(layer);
      return {
        forward: (x, inner) => {
          (base as Linear).bias!.requiresGrad = true;
          return forward(x, inner);
        },
      };
    }),
    model: { architecture: "qwen2" },
    layer: /k_proj\.base_layer\.bias$/,
    message: /is no parameter of the adapter and got a gradient/,
  },
  {
    fault: "a matrix A that is never trained",
    property: "onlyAdaptersGetGradients",
    Config: inLayer("down_proj", (layer) => ({
      forward: (x: Tensor, base: UnaryModule) => {
        const { a, b, scaling } = factorsOf(layer);
        const low = matmul(x, a.detach(), { transposeB: true });
        return add(base.forward(x), affine(matmul(low, b, { transposeB: true }), { scale: scaling }));
      },
    })),
    layer: /down_proj\.lora_A/,
    message: /belongs to the active adapter and got no gradient/,
  },
  {
    fault: "a mixed batch that uses the first adapter for all rows",
    property: "mixedBatchEqualsSingleRows",
    Config: inLayer("down_proj", (layer) => {
      const [first] = secondLayers(layer);
      return layer === first ? undefined : { lowRank: first.lowRank, added: first.added };
    }),
    layer: /down_proj$/,
    message: /rows 1 of a mixed batch use adapter "second"/,
  },
  {
    fault: "rows of a batch that change each other",
    property: "mergeEqualsUnmerged",
    Config: inLayer("down_proj", (layer) => {
      const { added } = layer;
      const leaking = (x: Tensor) => added!(add(x, mean(x, { dim: 0, keepdim: true })));
      return { lowRank: undefined, added: leaking, forward: (x, base) => add(base.forward(x), leaking(x)) };
    }),
    layer: /down_proj$/,
    message: /after mergeAdapter/,
  },
  {
    fault: "an update that is not linear in its factors",
    property: "weightedSumIsLinear",
    Config: inLayer("down_proj", (layer) => {
      const added = layer.added!;
      return { forward: (x, base) => add(base.forward(x), tanh(affine(added(x), { scale: 8 }))) };
    }),
    layer: /down_proj$/,
    message: /with weights 1\.5 and -0\.5/,
  },
  {
    fault: "a requantised merge with a wrong scale in its first block",
    property: "requantizedMergeWithinBound",
    Config: inMerge("down_proj", (right, _, layer) => {
      const calls = mergeCalls.get(layer) ?? 0;
      mergeCalls.set(layer, calls + 1);
      if (calls === 0) return right;
      const [rows, columns] = right.weight.shape;
      const scales = Float32Array.from({ length: rows * columns }, (_, i) => (i < 32 ? 1.5 : 1));
      return { ...right, weight: mul(right.weight, tensor(scales, { shape: [rows, columns] })) };
    }),
    model: { width: 8, quantized: "nf4" },
    layer: /down_proj$/,
    message: /weight \[[0-3], \d+\] is .* half a step of nf4 is/,
  },
];

const codes: Readonly<Record<PropertyName, PropertyCode>> = {
  ...{
    mergeEqualsUnmerged: "merge_differs",
    unmergeRestoresBase: "base_not_restored",
    startsAsIdentity: "start_differs",
  },
  ...{ savesAndLoads: "saved_differs", switchingLeavesNoTrace: "switch_differs" },
  ...{ onlyAdaptersGetGradients: "wrong_gradients", mixedBatchEqualsSingleRows: "mixed_batch_differs" },
  ...{ weightedSumIsLinear: "weighted_sum_differs", requantizedMergeWithinBound: "requantized_differs" },
} as const;

describe.each(faults)("$fault", ({ property, Config, model, options, layer, code, message }) => {
  const subject = { ...smallestModel, ...model };
  const targets: LoraOptions = { r: 2, targetModules: "all-linear", ...options };
  const given = { inputs: { batch: 3, length: 6, seed: 2 }, values: { kind: "normal", seed: 4 } } as const;

  test(`is found by ${property}`, async () => {
    const error: PropertyError = await properties[property](subject, new Config(targets), given).then(
      () => expect.unreachable("the fault was not found"),
      (e) => e,
    );
    if (code === "threw") expect(error.name).not.toBe("PropertyError");
    else {
      expect(error, error.message).toMatchObject({ name: "PropertyError", property, code: codes[property], seed: 4 });
      expect(error.layer, error.message).toMatch(layer!);
    }
    expect(error.message).toMatch(message);
  });

  test(`LoRA without it passes ${property}`, async () => {
    await properties[property](subject, new LoraConfig(targets), given);
  });
});
