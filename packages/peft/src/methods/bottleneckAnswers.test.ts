import { copyInto, Generator, init, noGrad, reference, scope, type Tensor, tensor } from "@lowrank/core";
import { LayerNorm, Linear, Module, Parameter, Residual, type UnaryModule } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { TinyModel } from "../testing/tinyModel.ts";
import { BnConfig, type BnOptions, nonLinearities, ParBnConfig } from "./bottleneck/bottleneckConfig.ts";

beforeAll(() => init(reference()));

const [B, T, D] = [2, 3, 4];

/** Returns a different deterministic sequence for each k. */
const wave = (n: number, k: number) => Array.from({ length: n }, (_, i) => 0.8 * Math.sin(0.37 * i * i + 1.7 * i + k));
const filled = (shape: number[], k: number) =>
  tensor(
    Float32Array.from(
      wave(
        shape.reduce((a, b) => a * b, 1),
        k,
      ),
    ),
    { shape },
  );

/** A sub-layer of one linear layer. Its norm, if any, comes after the residual sum. */
class Block extends Module {
  up: UnaryModule;
  mlp_residual = new Residual();
  norm: LayerNorm | null;

  constructor(hasNorm: boolean) {
    super();
    this.up = new Linear(new Parameter(filled([D, D], 20)));
    this.norm = hasNorm ? new LayerNorm(new Parameter(filled([D], 21)), new Parameter(filled([D], 22)), 1e-5) : null;
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.mlp_residual.forward(this.up.forward(x), x, this.norm ?? undefined));
  }
}

class Blocks extends Module {
  layers: Block;

  constructor(hasNorm: boolean) {
    super();
    this.layers = new Block(hasNorm);
  }

  forward(x: Tensor): Tensor {
    return this.layers.forward(x);
  }
}

type Row = number[];
const plus = (a: Row, b: Row) => a.map((x, i) => x + b[i]);
/** Abramowitz and Stegun 7.1.26: the error is below 2e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}
const sigma = (x: number) => 1 / (1 + Math.exp(-x));
const functions: Record<(typeof nonLinearities)[number], (x: number) => number> = {
  relu: (x) => Math.max(0, x),
  leakyrelu: (x) => (x > 0 ? x : 0.01 * x),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  silu: (x) => x * sigma(x),
  swish: (x) => x * sigma(x),
  tanh: Math.tanh,
  sigmoid: sigma,
};

/** Returns the rows [T, D] that the forward pass of AdapterHub computes for a sequence. */
function expected(rows: Row[], config: BnConfig, tensors: Readonly<Record<string, Row>>, hasNorm: boolean): Row[] {
  const linear = (x: Row, weight: Row, bias?: Row) =>
    Array.from({ length: weight.length / x.length }, (_, o) =>
      x.reduce((sum, value, i) => sum + value * weight[o * x.length + i], bias?.[o] ?? 0),
    );
  const normed = (x: Row, weight: Row, bias: Row) => {
    const mean = x.reduce((a, b) => a + b) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    return x.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * weight[i] + bias[i]);
  };
  const outer = (x: Row) => (hasNorm ? normed(x, wave(D, 21), wave(D, 22)) : x);
  const own = (x: Row) =>
    config.lnAfter ? normed(x, tensors["adapter_norm_after.weight"], tensors["adapter_norm_after.bias"]) : x;
  const made = rows.map((x) => linear(x, wave(D * D, 20)));
  const inputs = rows.map((before, t) => {
    if (config.isParallel) return before;
    return config.originalLnBefore ? outer(plus(made[t], before)) : made[t];
  });
  const gates = inputs.map((x) => sigma(linear(x, tensors["gate.weight"] ?? wave(D, 0), tensors["gate.bias"])[0]));
  const gate = config.useGating ? gates.reduce((a, b) => a + b) / T : 1;
  return rows.map((before, t) => {
    const low = linear(inputs[t], tensors["adapter_down.0.weight"], tensors["adapter_down.0.bias"]);
    const high = linear(
      low.map(functions[config.nonLinearity]),
      tensors["adapter_up.weight"],
      tensors["adapter_up.bias"],
    );
    const { scaling } = config;
    const factor = (i: number) =>
      typeof scaling === "number" ? scaling : tensors.scaling[scaling === "channel" ? i : 0];
    const added = high.map((x, i) => x * factor(i) * gate);
    let out: Row;
    if (config.isParallel) out = plus(own(added), made[t]);
    else {
      const sum = plus(made[t], before);
      const behind = config.residualBeforeLn === "post_add" ? sum : outer(sum);
      const residual = !config.originalLnBefore || config.residualBeforeLn === true ? made[t] : behind;
      out = config.adapterResidualBeforeLn ? own(plus(added, residual)) : plus(own(added), residual);
    }
    return config.originalLnAfter ? outer(plus(out, before)) : out;
  });
}

const variants: BnOptions[] = [
  ...nonLinearities.map((nonLinearity) => ({ nonLinearity })),
  ...[{ isParallel: true, scaling: 4 }, { isParallel: true, lnAfter: true }, { originalLnAfter: false }],
  ...[{ lnAfter: true }, { lnAfter: true, adapterResidualBeforeLn: true }, { useGating: true }],
  ...[{ scaling: 0.5 }, { scaling: "learned" as const }, { scaling: "channel" as const }],
  ...([true, false, "post_add"] as const).flatMap((residualBeforeLn) => [
    { originalLnBefore: true, residualBeforeLn },
    { originalLnBefore: true, residualBeforeLn, lnAfter: true, adapterResidualBeforeLn: true, originalLnAfter: false },
  ]),
  { useGating: true, originalLnBefore: true, scaling: "channel", nonLinearity: "gelu_new" },
];

describe.each([true, false])("bottleneck adapters of blocks with a norm behind the sum: %s", (hasNorm) => {
  test.each(variants)("%j computes what AdapterHub does", async (options) => {
    const config = new BnConfig({ hiddenSize: D, reductionFactor: 2, ...options });
    const peft = await getPeftModel(new Blocks(hasNorm).eval(), config);
    const tensors: Record<string, Row> = {};
    for (const [k, [key, t]] of [...peft.adapterTensors()].entries()) {
      const name = key.split(".default.")[1];
      tensors[name] = wave(t.size, k);
      noGrad(() => copyInto(t, filled([...t.shape], k)));
    }
    const x = filled([B, T, D], 30);
    const found = [...(peft.forward(x).dataSync() as Float32Array)];
    const rows = Array.from({ length: B * T }, (_, i) => wave(B * T * D, 30).slice(i * D, (i + 1) * D));
    const wanted = [0, 1].flatMap((b) => expected(rows.slice(b * T, (b + 1) * T), config, tensors, hasNorm).flat());
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(wanted[i], 5);
  });
});

test("the width is the hidden size over the factor, rounded down, and at least 1", async () => {
  const width = async (reductionFactor: number) => {
    const peft = await getPeftModel(new Blocks(false), new BnConfig({ hiddenSize: D, reductionFactor }));
    return [...peft.adapterTensors().values()][0].shape[0];
  };
  expect(await Promise.all([0.5, 1, 1.5, 2, 3, 4, 5, 16].map(width))).toEqual([8, 4, 2, 2, 1, 1, 1, 1]);
});

test("starts have the deviations of AdapterHub", async () => {
  const size = 400;
  class Wide extends Module {
    mlp_residual = new Residual();
    forward(x: Tensor): Tensor {
      return this.mlp_residual.forward(x, x);
    }
  }
  const started = async (options: BnOptions) => {
    const model = Object.assign(new (class extends Module {})(), { layers: new Wide(), forward: (x: Tensor) => x });
    const config = new BnConfig({ hiddenSize: size, reductionFactor: 4, ...options });
    const peft = await getPeftModel(model as never, config, { generator: new Generator(2) });
    return Object.fromEntries(
      Array.from(peft.adapterTensors(), ([key, t]) => {
        const values = [...(t.dataSync() as Float32Array)];
        const root = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
        return [key.split(".default.")[1], { root, most: Math.max(...values.map(Math.abs)) }];
      }),
    );
  };
  const bert = await started({ initWeights: "bert", useGating: true, lnAfter: true, scaling: "learned" });
  for (const key of ["adapter_down.0.weight", "adapter_up.weight"]) {
    expect(bert[key].root / 0.02).toBeCloseTo(1, 1);
    expect(bert[key].most).toBeGreaterThan(0.05);
  }
  expect(bert["gate.weight"].root / 0.02).toBeCloseTo(1, 0);
  for (const key of ["adapter_down.0.bias", "adapter_up.bias", "gate.bias", "adapter_norm_after.bias"])
    expect(bert[key].most, key).toBe(0);
  for (const key of ["adapter_norm_after.weight", "scaling"]) expect(bert[key]).toEqual({ root: 1, most: 1 });
  const houlsby = await started({ initWeights: "houlsby" });
  for (const key of ["adapter_down.0.weight", "adapter_up.weight"]) {
    // A normal distribution truncated at two standard deviations has 0.88 of the standard deviation.
    expect(houlsby[key].root / 0.01).toBeCloseTo(0.88, 1);
    expect(houlsby[key].most / 0.02).toBeGreaterThan(0.99);
    expect(houlsby[key].most / 0.02).toBeLessThanOrEqual(1 + 1e-6);
  }
  const mam = await started({ initWeights: "mam_adapter" });
  expect(mam["adapter_up.weight"].most).toBe(0);
  expect(mam["adapter_down.0.weight"].most * Math.sqrt(size)).toBeCloseTo(1, 2);
});

test("the file has every field of AdapterHub's configuration", async () => {
  const config = new ParBnConfig({ dropout: 0.5, leaveOut: [1] });
  const peft = await getPeftModel(new TinyModel({ attention: true }), config);
  const { config: own, ...around } = JSON.parse((await peft.adapterFiles()).get("adapter_config.json") as string);
  expect(own).toEqual({
    ...{ mh_adapter: false, output_adapter: true, reduction_factor: 2, non_linearity: "relu" },
    ...{ original_ln_before: false, original_ln_after: true, ln_before: false, ln_after: false },
    ...{ init_weights: "mam_adapter", init_weights_seed: null, is_parallel: true, scaling: 4, use_gating: false },
    ...{ residual_before_ln: true, adapter_residual_before_ln: false, inv_adapter: null },
    ...{ inv_adapter_reduction_factor: null, cross_adapter: false, leave_out: [1], dropout: 0.5, phm_layer: false },
    ...{ phm_dim: 4, factorized_phm_W: true, shared_W_phm: false, shared_phm_rule: true, phm_c_init: "normal" },
    ...{ factorized_phm_rule: false, phm_init_range: 0.0001, learn_phm: true, phm_rank: 1, phm_bias: true },
    ...{ hypercomplex_nonlinearity: "glorot-uniform", stochastic_depth: 0 },
  });
  expect(around).toEqual({
    ...{ version: "adapters.1.3.0", name: "default", model_type: "llama", model_class: "TinyModel" },
    ...{ hidden_size: 6, model_name: "" },
  });
});
