import { clone, type Tensor, tensor } from "@lowrank/core";
import {
  type AdaptableModel,
  type DenseLayer,
  type LayerAdapter,
  type LayerContext,
  LoraConfig,
  type LoraOptions,
  lora,
} from "@lowrank/peft";
import { describe, expect, test } from "vitest";
import type { PropertyCode, PropertyError } from "../errors/propertyError.ts";
import { type PropertyName, properties } from "../properties/properties.ts";
import type { PropertyOptions } from "../properties/shared/propertyOptions.ts";
import type { InputsDescription } from "../subjects/inputs.ts";
import { type ModelDescription, smallestModel } from "../subjects/modelDescription.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { changed, faultyLora } from "./faultyMethods.ts";

/** A copy of LoRA with one fault, and the property that finds it. */
export interface MethodFault {
  readonly fault: string;
  readonly property: PropertyName;
  readonly Config: ReturnType<typeof faultyLora>;
  /** Changes of the smallest model, or a function that makes the model. */
  readonly model?: Partial<ModelDescription> | (() => Promise<AdaptableModel>);
  readonly options?: LoraOptions;
  /** Default: 3 sequences of 6 tokens. */
  readonly inputs?: InputsDescription;
  /** The layer or tensor that the error names. */
  readonly layer: RegExp | null;
  /** Default: the property's own code. */
  readonly code?: PropertyCode;
  readonly message: RegExp;
}

type Context = LayerContext<LoraConfig>;
type Faulty = ReturnType<typeof faultyLora>;

let count = 0;

/** Makes a method with a fault in the layers whose path ends in `name`. */
export function inLayer(
  name: string,
  plant: (layer: LayerAdapter, context: Context) => Partial<LayerAdapter> | undefined,
): Faulty {
  return faultyLora(`FAULT_${++count}`, (layer, context) => {
    return context.path.endsWith(name) ? changed(layer, plant(layer, context) ?? {}) : layer;
  });
}

/** Makes a method whose merge of the layers `name` is replaced by `merge`, which gets the right merge's result. */
export function inMerge(
  name: string,
  merge: (right: DenseLayer, base: DenseLayer, layer: LayerAdapter) => DenseLayer,
): Faulty {
  return inLayer(name, (layer) => {
    const right = layer.merge!.bind(layer);
    return { merge: (base, bare) => merge(right(base, bare), base, layer) };
  });
}

/** Makes a method that saves other tensors than its trained ones for `down_proj`. */
export function inFile(change: (key: string, value: Tensor) => [string, Tensor][]): Faulty {
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

/** Makes a method whose layers read another configuration than the adapter's. */
export function withOtherConfig(change: (config: LoraConfig, context: Context) => LoraConfig): Faulty {
  return faultyLora(`FAULT_${++count}`, (layer) => layer, {
    createLayer: (context) => lora.createLayer({ ...context, config: change(context.config, context) }),
  });
}

/** Returns a function that lists the layers of one path, in the order in which adapters were added. */
export function byOrder(): (layer: LayerAdapter) => LayerAdapter[] {
  const all: LayerAdapter[] = [];
  return (layer) => {
    all.push(layer);
    return all;
  };
}

/** Returns the factors and the scaling of LoRA on a linear layer. */
export function factorsOf({ parameters, scaling }: LayerAdapter): { a: Tensor; b: Tensor; scaling: number } {
  const { "lora_A.weight": a, "lora_B.weight": b } = parameters;
  return { a, b, scaling: scaling as number };
}

/** Returns a tensor of ones with one row of `value`. */
export function rowOf(value: number, shape: readonly number[]): Tensor {
  const [rows, columns] = shape;
  return tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => (i < columns ? value : 1)),
    { shape: [rows, columns] },
  );
}

const codes: Readonly<Record<PropertyName, PropertyCode>> = {
  mergeEqualsUnmerged: "merge_differs",
  unmergeRestoresBase: "base_not_restored",
  startsAsIdentity: "start_differs",
  savesAndLoads: "saved_differs",
  switchingLeavesNoTrace: "switch_differs",
  onlyAdaptersGetGradients: "wrong_gradients",
  gradientsMatchDifferences: "wrong_slope",
  mixedBatchEqualsSingleRows: "mixed_batch_differs",
  rowsAreIndependent: "rows_depend",
  weightedSumIsLinear: "weighted_sum_differs",
  requantizedMergeWithinBound: "requantized_differs",
  configIsApplied: "config_ignored",
};

/** Tests that each fault is found by its property, and that LoRA without the fault passes. */
export function testFaults(faults: readonly MethodFault[]): void {
  describe.each(faults)("$fault", ({ property, Config, model, options, inputs, layer, code, message }) => {
    const subject: ModelSubject = typeof model === "function" ? model : { ...smallestModel, ...model };
    const targets: LoraOptions = { r: 2, targetModules: "all-linear", ...options };
    const given: PropertyOptions = {
      inputs: inputs ?? { batch: 3, length: 6, seed: 2 },
      values: { kind: "normal", seed: 4 },
    };

    test(`is found by ${property}`, async () => {
      const error: PropertyError = await properties[property](subject, new Config(targets), given).then(
        () => expect.unreachable("the fault was not found"),
        (e) => e,
      );
      if (code === "threw") expect(error.name).not.toBe("PropertyError");
      else {
        expect(error, error.message).toMatchObject({ name: "PropertyError", property, code: codes[property], seed: 4 });
        if (layer) expect(error.layer, error.message).toMatch(layer);
      }
      expect(error.message).toMatch(message);
    });

    test(`LoRA without it passes ${property}`, async () => {
      await properties[property](subject, new LoraConfig(targets), given);
    });
  });
}
