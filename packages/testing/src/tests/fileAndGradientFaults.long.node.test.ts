import { add, affine, init, matmul, type Tensor, tanh, to } from "@lowrank/core";
import type { Linear, UnaryModule } from "@lowrank/nn";
import { lora } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll } from "vitest";
import { faultyLora } from "../testing/faultyMethods.ts";
import { factorsOf, inFile, inLayer, type MethodFault, testFaults } from "../testing/plantedFaults.ts";

beforeAll(() => init(wasm()));

const faults: MethodFault[] = [
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
    fault: "an update that is not linear in its factors",
    property: "weightedSumIsLinear",
    Config: inLayer("down_proj", (layer) => {
      const added = layer.added!;
      return { forward: (x, base) => add(base.forward(x), tanh(affine(added(x), { scale: 8 }))) };
    }),
    layer: /down_proj$/,
    message: /with weights 1\.5 and -0\.5/,
  },
];

testFaults(faults);
