import { affine, indexAdd, indexSelect, mul, OptionError, type Tensor, tensor, zeros } from "@lowrank/core";
import type { Linear, Parameter } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { patternValue } from "../../targets/pattern.ts";
import { biasOption, initWeightsOption, modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws } from "../shared/draws.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { roundHalfToEven } from "../shared/roundHalfToEven.ts";
import { ProductUpdate, spectralTargets } from "./productUpdate.ts";
import { WaveFTConfig, waveftFormat } from "./waveftConfig.ts";
import { Wavelet, waveletNames } from "./wavelet.ts";

interface Transforms extends SharedTensors {
  /** One wavelet transform for each distinct input or output size, keyed by the size. Empty without `useIdwt`. */
  wavelets: ReadonlyMap<number, Wavelet>;
  /** The number of coefficients of each layer, by path, if it is proportional to the size of the weight. */
  counts: ReadonlyMap<string, number>;
}

function transforms({ layers, config, backend }: SharedContext<WaveFTConfig>): Transforms {
  const shapes = layers.map(({ base }) => [(base as Linear).inFeatures, (base as Linear).outFeatures] as const);
  const sizes = config.useIdwt ? new Set(shapes.flat()) : [];
  const wavelets = new Map(Array.from(sizes, (size) => [size, new Wavelet(size, config.waveletFamily, backend)]));
  const buffers = Object.fromEntries(Array.from(wavelets, ([size, { filters }]) => [`${size}`, filters]));
  const counts = new Map<string, number>();
  if (config.proportionalParameters) {
    const total = shapes.reduce((sum, [inputs, outputs]) => sum + inputs * outputs, 0);
    const budget = config.nFrequency * layers.length;
    for (const [i, [inputs, outputs]] of shapes.entries()) {
      counts.set(layers[i].path, Math.max(1, roundHalfToEven(((inputs * outputs) / total) * budget)));
    }
  }
  return { wavelets, counts, buffers };
}

/** Positions of coefficients: `from` in the transform of the inputs, `to` in the transform of the outputs. */
interface Places {
  from: number[];
  to: number[];
}

/**
 * Returns the places of PEFT's coefficients at these positions in a matrix [out, in]. PEFT puts that matrix into the
 * middle of one whose sides are twice the `pairs` of their wavelets, and cuts it into four parts. The part on the top
 * right has the high-pass filter along the outputs and the low-pass filter along the inputs, and the part on the bottom
 * left the other way round.
 */
function placesOf(positions: Int32Array, outputs: Wavelet, inputs: Wavelet, [out, width]: readonly number[]): Places {
  const [top, left] = [outputs.pairs - Math.ceil(out / 2), inputs.pairs - Math.ceil(width / 2)];
  const places: Places = { from: [], to: [] };
  for (const position of positions) {
    const [row, column] = [Math.floor(position / width) + top, (position % width) + left];
    const [bottom, right] = [Number(row >= outputs.pairs), Number(column >= inputs.pairs)];
    places.to.push(2 * (row - bottom * outputs.pairs) + right);
    places.from.push(2 * (column - right * inputs.pairs) + bottom);
  }
  return places;
}

/**
 * WaveFT on a linear layer. Trains n coefficients of a wavelet transform of the weight's update, which are zero
 * elsewhere. The update is never computed as a matrix. Its product with x takes a transform of x, a scaling of n
 * entries, and an inverse transform.
 */
class WaveFTLinear extends ProductUpdate {
  readonly parameters: { readonly waveft_spectrum: Parameter };
  readonly constants: readonly Tensor[];
  readonly #scaling: number;
  readonly #outFeatures: number;
  /** The transforms of inputs and outputs. Null if coefficients are elements of the update. */
  readonly #inputs: Wavelet | null;
  readonly #outputs: Wavelet | null;
  /** For each coefficient, an index into the transform of the input, [n]. */
  readonly #from: Tensor;
  /** For each coefficient, an index into the transform of the output, [n]. */
  readonly #to: Tensor;

  constructor(context: LayerContext<WaveFTConfig>) {
    super();
    const { config, path } = context;
    const { inFeatures, outFeatures } = context.base as Linear;
    const { wavelets, counts } = context.shared as Transforms;
    const size = inFeatures * outFeatures;
    const n = counts.get(path) ?? patternValue(config.nFrequencyPattern, path, config.nFrequency);
    if (n > size) {
      throw new OptionError("", "nFrequency", config.nFrequency, (named) => {
        return `${path} is [${outFeatures},${inFeatures}]: ${named("nFrequency")} gives it ${n} coefficients; it must be at most ${size}, the number of its weights`;
      });
    }
    const { zero, normal } = draws(context);
    const spectrum = drawn(config.initWeights ? zero : normal(0.01), [n]);
    this.parameters = { waveft_spectrum: spectrum };
    const { backend } = spectrum.storage;
    const positions = backend.dataless ? new Int32Array(n) : new TorchGenerator(config.randomLocSeed).randperm(size, n);
    this.#inputs = wavelets.get(inFeatures) ?? null;
    this.#outputs = wavelets.get(outFeatures) ?? null;
    const { from, to } =
      this.#inputs && this.#outputs
        ? placesOf(positions, this.#outputs, this.#inputs, [outFeatures, inFeatures])
        : {
            from: Array.from(positions, (position) => position % inFeatures),
            to: Array.from(positions, (position) => Math.floor(position / inFeatures)),
          };
    this.#from = tensor(Int32Array.from(from), { backend });
    this.#to = tensor(Int32Array.from(to), { backend });
    this.constants = [this.#from, this.#to];
    this.#scaling = config.scaling;
    this.#outFeatures = outFeatures;
  }

  protected product(x: Tensor): Tensor {
    const { waveft_spectrum: spectrum } = this.parameters;
    const picked = indexSelect(this.#inputs ? this.#inputs.analyze(x) : x, this.#from, { dim: 1 });
    const scaled = mul(picked, affine(spectrum, { scale: this.#scaling }));
    const width = this.#outputs ? 2 * this.#outputs.pairs : this.#outFeatures;
    const spread = indexAdd(zeros([x.shape[0], width], { backend: x.storage.backend }), this.#to, scaled, { dim: 1 });
    return this.#outputs ? this.#outputs.synthesize(spread) : spread;
  }
}

/** WaveFT: trains wavelet coefficients of the weight's update. Bilican et al. 2025, https://arxiv.org/abs/2505.12532 */
export const waveft: PeftMethod<WaveFTConfig> = definePeftMethod({
  peftType: "WAVEFT",
  // No layer has more coefficients than its weight has elements, and a pattern can replace `nFrequency` on all layers.
  sizes: [],
  Config: WaveFTConfig,
  format: waveftFormat,
  recipes: [
    {
      name: "waveft",
      title: "WaveFT",
      learningRate: 1e-3,
      // The rate of PEFT's comparison of methods.
      usualLearningRate: 1e-4,
      sizeOption: "n-frequency",
      config: ({ targetModules }) => new WaveFTConfig({ targetModules }),
    },
  ],
  options: [
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "nFrequency",
      flag: "n-frequency",
      type: "integer",
      least: 1,
      help: "numbers of the spectrum that train, a layer",
    },
    { field: "scaling", flag: "scaling", type: "number", help: "factor of what the spectrum becomes" },
    {
      field: "waveletFamily",
      flag: "wavelet-family",
      type: "oneOf",
      values: waveletNames(),
      help: "wavelet of the transform",
    },
    { field: "useIdwt", flag: "use-idwt", type: "oneOf", values: [true, false], help: "transform the coefficients" },
    initWeightsOption(),
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: spectralTargets,
  bias: ({ bias }) => biasMode(bias),
  patterns: ({ nFrequencyPattern, proportionalParameters }) => ({
    nFrequencyPattern: proportionalParameters ? {} : nFrequencyPattern,
  }),
  createShared: transforms,
  setsFanInFanOut: true,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new WaveFTLinear(context),
});
