import { add, init, mean, type Tensor } from "@lowrank/core";
import type { LayerAdapter } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll } from "vitest";
import { byOrder, inLayer, type MethodFault, testFaults } from "../testing/plantedFaults.ts";

beforeAll(() => init(wasm()));

const secondLayers = byOrder();
const switched = byOrder();
const copied = byOrder();

/** Adds the mean over the rows of a batch to the input of an adapter. */
function leaksBetweenRows({ added }: LayerAdapter): Partial<LayerAdapter> {
  const leaking = (x: Tensor) => added!(add(x, mean(x, { dim: 0, keepdim: true })));
  return { lowRank: undefined, added: leaking, forward: (x, base) => add(base.forward(x), leaking(x)) };
}

const faults: MethodFault[] = [
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
    fault: "a second adapter that uses the first one's values",
    property: "switchingLeavesNoTrace",
    Config: inLayer("down_proj", (layer) => {
      const [first] = copied(layer);
      return layer === first ? undefined : { forward: first.forward.bind(first), lowRank: first.lowRank };
    }),
    layer: /down_proj$/,
    message: /with a second adapter, .* has the first adapter's outputs to the last bit/,
  },
  {
    fault: "a mixed batch that uses the first adapter for all rows",
    property: "mixedBatchEqualsSingleRows",
    Config: inLayer("down_proj", (layer) => {
      const [first] = secondLayers(layer);
      return layer === first ? undefined : { lowRank: first.lowRank, added: first.added };
    }),
    layer: /down_proj$/,
    message: /row 1 of a mixed batch uses adapter "second"/,
  },
  {
    fault: "rows of a batch that change each other",
    property: "rowsAreIndependent",
    Config: inLayer("down_proj", leaksBetweenRows),
    layer: /down_proj$/,
    message: /for row 0 of a batch of 3, .* in the batch, .* alone\)/,
  },
  {
    fault: "rows of a batch that change each other in a method without a merge",
    property: "rowsAreIndependent",
    Config: inLayer("down_proj", (layer) => ({ ...leaksBetweenRows(layer), merge: undefined })),
    layer: /down_proj$/,
    message: /for row 0 of a batch of 3/,
  },
  {
    fault: "rows of one adapter that change each other in a mixed batch",
    property: "mixedBatchEqualsSingleRows",
    Config: inLayer("down_proj", leaksBetweenRows),
    inputs: { batch: 6, length: 6, seed: 2 },
    layer: /down_proj$/,
    message: /row 0 of a mixed batch uses adapter "default"/,
  },
  {
    fault: "rows of a batch that change each other, compared with the merged weight",
    property: "mergeEqualsUnmerged",
    Config: inLayer("down_proj", leaksBetweenRows),
    layer: /down_proj$/,
    message: /after mergeAdapter/,
  },
];

testFaults(faults);
