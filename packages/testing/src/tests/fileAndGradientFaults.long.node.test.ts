import { add, affine, init, matmul, type Tensor, tanh, to } from "@lowrank/core";
import type { Linear, UnaryModule } from "@lowrank/nn";
import { type LayerAdapter, lora } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll } from "vitest";
import { faultyLora } from "../testing/faultyMethods.ts";
import { factorsOf, inFile, inLayer, type MethodFault, testFaults } from "../testing/plantedFaults.ts";

beforeAll(() => init(wasm()));

/** Leaves the update of a layer as it is, and multiplies its gradients. */
const withGradientTimes = (factor: number) => (layer: LayerAdapter) => ({
  forward: (x: Tensor, base: UnaryModule) => {
    const { a, b, scaling } = factorsOf(layer);
    const low = matmul(x, a, { transposeB: true });
    const update = affine(matmul(low, b, { transposeB: true }), { scale: scaling });
    const rest = affine(update.detach(), { scale: 1 - factor });
    return add(base.forward(x), add(affine(update, { scale: factor }), rest));
  },
});

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
    fault: "a gradient with the opposite sign",
    property: "gradientsMatchDifferences",
    Config: inLayer("down_proj", withGradientTimes(-1)),
    layer: /down_proj\.lora_[AB]\.weight$/,
    message: /the loss changes by .* per unit of length .* the gradient gives/,
  },
  {
    fault: "a gradient without the scaling",
    property: "gradientsMatchDifferences",
    Config: inLayer("down_proj", withGradientTimes(0.5)),
    layer: /down_proj\.lora_[AB]\.weight$/,
    message: /the loss changes by .* per unit of length .* the gradient gives/,
  },
  {
    fault: "a matrix A whose gradient leaves out the other matrix",
    property: "gradientsMatchDifferences",
    Config: inLayer("down_proj", (layer) => ({
      forward: (x: Tensor, base: UnaryModule) => {
        const { a, b, scaling } = factorsOf(layer);
        const products = [a, a.detach()].map((one) => matmul(x, one, { transposeB: true }));
        const [right, constant] = products.map((low) =>
          affine(matmul(low, b, { transposeB: true }), { scale: scaling }),
        );
        // The value equals `right`. A's gradient is a third of it.
        return add(base.forward(x), add(affine(right, { scale: 1 / 3 }), affine(constant, { scale: 2 / 3 })));
      },
    })),
    layer: /down_proj\.lora_A\.weight$/,
    message: /the loss changes by .* per unit of length .* the gradient gives/,
  },
  {
    fault: "a merge after which A requires no gradient",
    property: "unmergeRestoresBase",
    Config: inLayer("down_proj", (layer) => {
      const merge = layer.merge!.bind(layer);
      return {
        merge: (base, bare) => {
          layer.parameters["lora_A.weight"].requiresGrad = false;
          return merge(base, bare);
        },
      };
    }),
    layer: /down_proj\.lora_A\.default\.weight$/,
    message: /after unmergeAdapter, .* requires no gradient, and it required one before the merge/,
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
