import { type Generator, randn, type Tensor, tensor, withFloat32MatmulPrecision } from "@lowrank/core";
import {
  type Conv1D,
  type Conv2d,
  type Embedding,
  type LayerNorm,
  Linear,
  type Module,
  type UnaryModule,
} from "@lowrank/nn";
import type { MergeStep, Replacement } from "../layers/wrapper.ts";
import { runBetween } from "../model/evaluating.ts";
import { MergedValue } from "./packedMerge.ts";

/**
 * Returns the number of random inputs on which to compare a layer with `width` outputs. A layer with few outputs needs
 * more inputs, so that its largest output is representative.
 */
const inputs = (width: number): number => (width < 8 ? 64 : 8);

/** Random inputs for a layer, and the number of products that are summed for each output element. */
export interface Probe {
  x: Tensor;
  terms: number;
}

/**
 * Returns random inputs for a linear layer or norm (normally distributed, [n, in]), a convolution ([n, channels, ...])
 * or an embedding (token ids [n], half of them from `rows`). Returns null for other kinds of modules.
 */
export function probeOf(module: Module, generator: Generator, rows?: readonly number[]): Probe | null {
  const { weight } = module as Linear | Embedding | LayerNorm;
  const normal = (count: number, width: number) =>
    randn([count, width], { generator, backend: weight.storage.backend });
  switch (module.layerKind) {
    case "linear":
    case "conv1d": {
      const { inFeatures, outFeatures } = module as Linear | Conv1D;
      return { x: normal(inputs(outFeatures), inFeatures), terms: inFeatures };
    }
    case "norm":
      return { x: normal(inputs(weight.shape[0]), weight.shape[0]), terms: weight.shape[0] };
    case "embedding": {
      const draws = new Float32Array(inputs(weight.shape[1]));
      generator.fillUniform(draws, 0, 1);
      const ids = Int32Array.from(draws, (u, i) => {
        const among = rows && i % 2 === 0 ? rows : null;
        return among ? among[Math.floor(u * among.length)] : Math.floor(u * weight.shape[0]);
      });
      return { x: tensor(ids, { backend: weight.storage.backend }), terms: 1 };
    }
    case "convolution1d":
    case "convolution2d": {
      const { options } = module as Conv2d;
      const [filters, depth, ...kernel] = weight.shape;
      const { dilation = 1, groups = 1 } = options;
      // One window in each dimension without padding.
      const sizes = kernel.map((size, i) => (size - 1) * (typeof dilation === "number" ? dilation : dilation[i]) + 1);
      const shape = [inputs(filters), depth * groups, ...sizes];
      const x = randn(shape, { generator, backend: weight.storage.backend });
      return { x, terms: weight.size / filters };
    }
    default:
      return null;
  }
}

/**
 * A merged parameter in f32 (`replacement.value`), and the same parameter in the dtype in which the model will store it
 * (`stored`).
 */
export interface StoredValue {
  replacement: Replacement;
  stored: Tensor;
}

/** A layer's outputs on a few random inputs, before and after merging. */
export interface LayerAnswers {
  /** Number of products summed for each output element. */
  terms: number;
  /** The outputs without adapters. */
  base: Tensor;
  /** For each adapter, the layer's outputs with only this adapter active and nothing merged. */
  beside: readonly Tensor[];
  /** For each adapter, the layer's outputs with only this adapter merged, in f32. */
  alone: readonly Tensor[];
  /** The outputs with all adapters merged, in f32. */
  sum: Tensor;
  /** The outputs with all adapters merged, in the dtypes in which the model will store the weights. */
  stored: Tensor;
}

/**
 * Runs a layer on random inputs, before merging and with the merged values temporarily in the model. Calls `values()`
 * to get the merged values and returns them as `stored`. Returns the outputs as `answers`; this is null if random
 * inputs cannot be generated for this kind of module. Call this function in a `scope`, which frees the intermediate
 * tensors.
 */
export function layerAnswers(
  { module, live, rows }: MergeStep,
  generator: Generator,
  values: () => readonly StoredValue[],
): { stored: readonly StoredValue[]; answers: LayerAnswers | null } {
  const probe = probeOf(module, generator, rows);
  if (!probe) return { stored: values(), answers: null };
  const { x, terms } = probe;
  const run = () => (module as UnaryModule).forward(x);
  // Runs in f32, since rounding of inputs and products is not an error of the merge.
  return unrounded(module, () => {
    const base = run();
    // Before merging, since the forward pass of some methods (constrained OFT) rescales parameters.
    const beside = live.map((adapter) => adapter.forward(x));
    const stored = values();
    const exact = (replacement: Replacement) => new MergedValue(replacement, replacement.value);
    const sum = placed(
      stored.map(({ replacement }) => exact(replacement)),
      run,
    );
    const isExact = stored.every((value) => value.stored === value.replacement.value);
    const rounded = () => stored.map((value) => new MergedValue(value.replacement, value.stored));
    const alone = live.length === 1 ? [sum] : live.map((adapter) => placed(adapter.merged().map(exact), run));
    return { stored, answers: { terms, base, beside, alone, sum, stored: isExact ? sum : placed(rounded(), run) } };
  });
}

/**
 * Puts the merged values into the model, runs `fn`, restores the old values and frees the merged ones. Returns the
 * result of `fn`.
 */
function placed(values: readonly MergedValue[], fn: () => Tensor): Tensor {
  const set = (on: boolean) => {
    for (const value of values) value.set(on);
  };
  return runBetween(
    () => set(true),
    fn,
    () => {
      set(false);
      for (const { on } of values) on.dispose();
    },
  );
}

/**
 * Runs `fn`, which must be synchronous, while a module computes in f32, without reduced precision for inputs or
 * products.
 */
function unrounded<T>(module: Module, fn: () => T): T {
  const given = [...module.parameters()].map((parameter) => [parameter, parameter.precision] as const);
  return runBetween(
    () => {
      for (const [parameter] of given) parameter.precision = undefined;
    },
    () => withFloat32MatmulPrecision("highest", () => (module instanceof Linear ? module.exactly(fn) : fn())),
    () => {
      for (const [parameter, own] of given) parameter.precision = own;
    },
  );
}
