import { affine, clone, copyInto, Generator, mul, noGrad, randn, scope, sum, type Tensor, tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import { short } from "../comparing/differences.ts";
import { PropertyError } from "../errors/propertyError.ts";
import { UnfitError } from "../errors/unfitError.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type Adapted, type ConfigSubject, withAdapter } from "./shared/withAdapter.ts";

const property = "gradientsMatchDifferences";

/** Lengths of steps, as shares of a parameter's own length. The first one with little rounding is used. */
const steps = [2 ** -14, 2 ** -12, 2 ** -10, 2 ** -8, 2 ** -6, 2 ** -4] as const;

/** The largest share of a slope that rounding and bends may have. */
const largestNoise = 0.05;

/** Allowed difference of a slope, as a share of it, besides twice the rounding and bends. */
const allowedShare = 0.05;

/** Relative rounding error of an output. Outputs of a small model come from a few dozen additions in f32. */
const rounding = 64 * 2 ** -24;

/**
 * Gradients of the adapter's parameters agree with finite differences. For each parameter, the loss is computed for
 * steps in one direction and against it. The direction is the normalised gradient plus a random vector of equal length.
 * The loss is the sum of the outputs times random numbers. Parameters without a reliable step length are left out:
 * there the loss jumps or bends, depends too little on the parameter, or has a gradient with large rounding.
 *
 * Throws `PropertyError` with code "wrong_slope" and the path of the last parameter, in forward order, whose gradient
 * differs. Throws `UnfitError` if the outputs or the adapter are in half precision, or no slope can be measured.
 *
 * @example
 * ```ts
 * await gradientsMatchDifferences(smallestModel, new LoraConfig({ r: 2 }));
 * ```
 */
export async function gradientsMatchDifferences(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, async (adapted) => {
    const { peft, seed } = adapted;
    const trained = peft.base_model.trained(peft.activeAdapter as string);
    const hasElements = [...trained.values()].some(({ size }) => size > 0);
    if (!hasElements) throw new UnfitError("the adapter has no parameters in this configuration");
    const weights = outputWeights(adapted);
    try {
      for (const { dtype } of [weights, ...trained.values()]) {
        if (dtype !== "f32") throw new UnfitError(`differences of ${dtype} are too coarse`);
      }
      const gradients = await gradientsOf(adapted, weights);
      const nearby = [await gradientsNearby(adapted, weights, 1), await gradientsNearby(adapted, weights, 2)];
      let compared = 0;
      // A wrong gradient of a layer's input also changes the gradients of the layers before it.
      for (const [path, { parameter, gradient }] of [...gradients].reverse()) {
        const others = nearby.map((one) => one.get(path)?.gradient ?? gradient);
        const found = await compareSlopes(adapted, weights, parameter, gradient, others);
        if (!found) continue;
        compared++;
        const { computed, measured, bound } = found;
        const difference = Math.abs(computed - measured);
        if (difference <= bound) continue;
        const detail =
          `the loss changes by ${short(measured)} per unit of length in one direction of ${path}, and the gradient ` +
          `gives ${short(computed)} (${short(bound)} is allowed)`;
        throw new PropertyError({ code: "wrong_slope", property, layer: path, difference, bound, seed, detail });
      }
      if (compared === 0) throw new UnfitError("the outputs depend too little on the adapter to measure a slope");
    } finally {
      weights.dispose();
    }
  });
}

/** Returns the random numbers by which the outputs are multiplied. */
function outputWeights({ peft, run, seed }: Adapted): Tensor {
  using output = noGrad(() => scope(() => run(peft)));
  const { shape, dtype, storage } = output;
  return randn(shape, { generator: new Generator(seed), dtype: dtype as "f32", backend: storage.backend });
}

interface Slope {
  readonly parameter: Parameter;
  readonly gradient: Float32Array;
}

/** Returns the gradients of the loss by the parameters' paths, of parameters that the forward pass uses. */
async function gradientsOf({ peft, run }: Adapted, weights: Tensor): Promise<Map<string, Slope>> {
  const gradients = new Map<string, Slope>();
  try {
    scope(() => void sum(mul(run(peft), weights)).backward());
    for (const [path, parameter] of peft.base_model.trained(peft.activeAdapter as string)) {
      if (parameter.size === 0 || !parameter.grad) continue;
      gradients.set(path, { parameter, gradient: (await parameter.grad.data()) as Float32Array });
    }
  } finally {
    for (const parameter of peft.parameters()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }
  return gradients;
}

/** Returns the gradients at values that differ by a few roundings, which shows how exact gradients are. */
async function gradientsNearby(adapted: Adapted, weights: Tensor, seed: number): Promise<Map<string, Slope>> {
  const generator = new Generator(seed);
  const trained = [...adapted.peft.base_model.trained(adapted.peft.activeAdapter as string).values()];
  const kept = trained.map((parameter) => noGrad(() => clone(parameter)));
  try {
    noGrad(() =>
      scope(() => {
        for (const parameter of trained) {
          const { shape, storage } = parameter;
          const factors = affine(randn(shape, { generator, backend: storage.backend }), { scale: 2 ** -20, shift: 1 });
          copyInto(parameter, mul(parameter, factors));
        }
      }),
    );
    return await gradientsOf(adapted, weights);
  } finally {
    noGrad(() => trained.forEach((parameter, i) => void copyInto(parameter, kept[i])));
    for (const tensor of kept) tensor.dispose();
  }
}

interface Measured {
  /** The slope that the gradient gives. */
  readonly computed: number;
  /** The slope that the differences give. */
  readonly measured: number;
  readonly bound: number;
}

/** Measures one slope. Returns null if no step length gives a reliable one. */
async function compareSlopes(
  adapted: Adapted,
  weights: Tensor,
  parameter: Parameter,
  gradient: Float32Array,
  nearby: readonly Float32Array[],
): Promise<Measured | null> {
  const start = new Float32Array((await parameter.data()) as Float32Array);
  const direction = await directionFor(gradient, adapted.seed);
  const size = Math.max(lengthOf(start), 1e-3 * Math.sqrt(start.length));
  const set = (values: Float32Array) =>
    noGrad(() => scope(() => copyInto(parameter, tensor(values, { shape: parameter.shape }))));
  const lossAt = async (distance: number) => {
    set(start.map((value, i) => value + distance * direction[i]));
    return lossOf(adapted, weights);
  };
  const middle = await lossOf(adapted, weights);
  // The second difference of a smooth loss is small. A large one is rounding, a jump or a bend.
  const slopeOf = async (step: number) => {
    const [ahead, behind] = [await lossAt(step), await lossAt(-step)];
    const second = Math.abs(ahead.loss - 2 * middle.loss + behind.loss);
    const noise = Math.max(rounding * Math.max(ahead.size, behind.size), second) / step;
    return { slope: (ahead.loss - behind.loss) / (2 * step), noise };
  };
  const along = (values: Float32Array) => values.reduce((total, value, i) => total + value * direction[i], 0);
  const computed = along(gradient);
  const inexact = Math.max(...nearby.map((one) => Math.abs(along(one) - computed)));
  try {
    for (const step of steps) {
      const near = await slopeOf(step * size);
      const noise = near.noise + (await slopeOf(2 * step * size)).noise + inexact;
      const measured = near.slope;
      if (noise > largestNoise * Math.abs(measured)) continue;
      return { computed, measured, bound: allowedShare * Math.abs(measured) + 2 * noise };
    }
    return null;
  } finally {
    set(start);
  }
}

/** Returns a direction of length 1: the gradient's plus a random one. */
async function directionFor(gradient: Float32Array, seed: number): Promise<Float32Array> {
  using random = randn([gradient.length], { generator: new Generator(seed + 1) });
  const noise = (await random.data()) as Float32Array;
  const [long, wide] = [lengthOf(gradient), lengthOf(noise)];
  const both = gradient.map((value, i) => (long > 0 ? value / long : 0) + noise[i] / (wide || 1));
  const length = lengthOf(both) || 1;
  return both.map((value) => value / length);
}

function lengthOf(values: Float32Array): number {
  return Math.sqrt(values.reduce((total, value) => total + value * value, 0));
}

/** Returns the loss in double precision, and the length of its terms, to which its rounding is proportional. */
async function lossOf({ peft, run }: Adapted, weights: Tensor): Promise<{ loss: number; size: number }> {
  using output = noGrad(() => scope(() => run(peft)));
  const [values, factors] = (await Promise.all([output.data(), weights.data()])) as Float32Array[];
  let loss = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const term = values[i] * factors[i];
    loss += term;
    squares += term * term;
  }
  return { loss, size: Math.sqrt(squares) };
}
