import { add, affine, copyInto, init, noGrad, type Tensor } from "@lowrank/core";
import type { Linear, UnaryModule } from "@lowrank/nn";
import { LoraConfig, type LoraOptions, lora } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import type { PropertyError } from "../errors/propertyError.ts";
import { type ModelDescription, smallestModel } from "../subjects/modelDescription.ts";
import { changed, faultyLora, wrongMergeScale } from "../testing/faultyMethods.ts";
import { type PropertyName, properties } from "./properties.ts";

beforeAll(() => init(wasm()));

interface Fault {
  property: PropertyName;
  fault: string;
  Config: new (options: LoraOptions) => LoraConfig;
  model?: Partial<ModelDescription>;
  /** Options of the configuration. */
  options?: LoraOptions;
  /** The expected layer, or the end of the expected tensor's path. */
  layer: RegExp;
  message?: RegExp;
}

const down = /^model\.layers\.0\.mlp\.down_proj$/;
const isDown = (path: string) => path.endsWith("0.mlp.down_proj");
let merges = 0;
let first: Tensor | null = null;

const faults: Fault[] = [
  {
    property: "mergeEqualsUnmerged",
    fault: "a merge with half of the scale in one layer",
    Config: faultyLora("HALF_SCALE", wrongMergeScale("0.mlp.down_proj", 0.5)),
    layer: down,
  },
  {
    property: "mergeEqualsUnmerged",
    fault: "a layer that is not merged",
    Config: faultyLora("UNMERGED", (layer, { path }) =>
      isDown(path) ? changed(layer, { merge: (base) => base }) : layer,
    ),
    layer: down,
  },
  {
    property: "mergeEqualsUnmerged",
    fault: "a merge that loses the bias of a layer",
    Config: faultyLora("LOST_BIAS", (layer, { path }) => {
      const merge = layer.merge?.bind(layer);
      if (!path.endsWith("q_proj")) return layer;
      return changed(layer, {
        merge: (base, bare) => ({ ...merge!(base, bare), bias: base.bias && affine(base.bias, { scale: 0 }) }),
      });
    }),
    model: { architecture: "qwen2" },
    layer: /q_proj$/,
  },
  {
    property: "unmergeRestoresBase",
    fault: "a merge that writes into the base weight",
    Config: faultyLora("WRITES_BASE", (layer, { path }) => {
      const merge = layer.merge?.bind(layer);
      if (!isDown(path)) return layer;
      return changed(layer, {
        merge: (base, bare) => {
          const merged = merge!(base, bare);
          noGrad(() => copyInto(base.weight, affine(base.weight, { scale: 1.001 })));
          return merged;
        },
      });
    }),
    layer: /down_proj\.base_layer\.weight$/,
    message: /after unmergeAdapter, .* is the first tensor with other bits: element \d+ is .* and was/,
  },
  {
    property: "startsAsIdentity",
    fault: "a layer that scales its output from the start",
    Config: faultyLora("SCALES", (layer, { path }) => {
      const forward = layer.forward.bind(layer);
      return isDown(path)
        ? changed(layer, { forward: (x, base) => affine(forward(x, base), { scale: 1.001 }) })
        : layer;
    }),
    layer: down,
    message: /without the adapter, .* with it\)/,
  },
  {
    property: "savesAndLoads",
    fault: "a loaded layer with another scaling",
    Config: faultyLora("OTHER_SCALING", (layer, { path, loading }) => {
      if (isDown(path) && loading) layer.scaling = 0.5;
      return layer;
    }),
    layer: down,
    message: /after loading, .* saved, .* loaded\), and no difference is allowed/,
  },
  {
    property: "savesAndLoads",
    fault: "a tensor whose values are not saved",
    Config: faultyLora("UNSAVED", (layer) => layer, {
      filed: (_, trained) =>
        new Map(
          [...trained].map(([key, t]) => [key, isDown(key.replace(/\.lora_B.*/, "")) ? affine(t, { scale: 2 }) : t]),
        ),
    }),
    layer: /down_proj\.lora_B\.weight$/,
  },
  {
    property: "switchingLeavesNoTrace",
    fault: "a second adapter that changes the first one's tensors",
    Config: faultyLora("TOUCHES_FIRST", (layer, { path }) => {
      if (!isDown(path)) return layer;
      const own = layer.parameters["lora_A.weight"];
      if (first) noGrad(() => copyInto(first!, own));
      first = own;
      return layer;
    }),
    layer: /down_proj\.lora_A\.weight$/,
    message: /after addAdapter/,
  },
  {
    property: "onlyAdaptersGetGradients",
    fault: "half of the layers are not trained",
    Config: faultyLora("HALF_TRAINED", (layer, { path }) => {
      const forward = layer.forward.bind(layer);
      if (!isDown(path)) return layer;
      const frozen = (x: Tensor, base: UnaryModule) => noGrad(() => forward(x, base).sub(base.forward(x)));
      return changed(layer, { forward: (x, base) => add(base.forward(x), frozen(x, base)) });
    }),
    layer: /down_proj\.lora_A\.weight$/,
    message: /belongs to the active adapter and got no gradient/,
  },
  {
    property: "onlyAdaptersGetGradients",
    fault: "a base weight that is trained too",
    Config: faultyLora("TRAINS_BASE", (layer, { path, base }) => {
      const forward = layer.forward.bind(layer);
      if (!isDown(path)) return layer;
      return changed(layer, {
        forward: (x, inner) => {
          (base as Linear).weight.requiresGrad = true;
          return forward(x, inner);
        },
      });
    }),
    layer: /down_proj\.base_layer\.weight$/,
    message: /is no parameter of the adapter and got a gradient/,
  },
  {
    property: "mixedBatchEqualsSingleRows",
    fault: "a wrong update for the rows of a batch",
    Config: faultyLora("WRONG_ROWS", (layer, { path }) => {
      if (!isDown(path)) return layer;
      const added = (x: Tensor) => {
        const { "lora_A.weight": a, "lora_B.weight": b } = layer.parameters;
        const scaling = layer.scaling as number;
        return affine(x.matmul(a.transpose(0, 1)).matmul(b.transpose(0, 1)), { scale: 2 * scaling });
      };
      return changed(layer, { lowRank: undefined, added });
    }),
    layer: down,
    message: /row 0 of a mixed batch uses adapter "default"/,
  },
  {
    property: "weightedSumIsLinear",
    fault: "a combination that ignores the scaling",
    Config: faultyLora("UNSCALED_SUM", (layer) => layer, {
      combines: { ...lora.combines!, scaling: () => 1 } as typeof lora.combines,
    }),
    options: { loraAlpha: 8 },
    layer: /q_proj$/,
    message: /with weights 1\.5 and -0\.5, .* of the sum, .* expected\)/,
  },
  {
    property: "requantizedMergeWithinBound",
    fault: "a merge that differs between calls",
    Config: faultyLora("DIFFERENT_MERGES", (layer, { path }) => {
      const merge = layer.merge?.bind(layer);
      if (!isDown(path)) return layer;
      return changed(layer, {
        merge: (base, bare) => {
          const merged = merge!(base, bare);
          return { ...merged, weight: add(merged.weight, merges++) };
        },
      });
    }),
    model: { quantized: "nf4" },
    layer: down,
    message: /half a step of nf4 is/,
  },
];

describe.each(faults)("$property finds $fault", ({ property, Config, model, options = {}, layer, message }) => {
  const subject = { ...smallestModel, ...model };
  const targets = { r: 2, targetModules: "all-linear", ...options };
  const values = { kind: "normal", seed: 6 } as const;

  test("and names the layer, the difference and the seed", async () => {
    const error: PropertyError = await properties[property](subject, new Config(targets), { values }).then(
      () => expect.unreachable("the fault was not found"),
      (e) => e,
    );
    expect(error).toMatchObject({ name: "PropertyError", property, seed: 6 });
    expect(error.layer, error.message).toMatch(layer);
    if (property !== "onlyAdaptersGetGradients") expect(error.difference, error.message).toBeGreaterThan(1e-4);
    expect(error.message).toMatch(message ?? /is the first (layer|tensor)/);
    expect(error.message).toContain("Seed 6.");
  });

  test("and LoRA without the fault passes", async () => {
    await properties[property](subject, new LoraConfig(targets), { values });
  });
});
