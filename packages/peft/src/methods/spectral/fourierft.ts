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
import { FourierFTConfig, fourierftFormat } from "./fourierftConfig.ts";
import { Hartley } from "./hartley.ts";
import { ProductUpdate, spectralTargets } from "./productUpdate.ts";

interface Transforms extends SharedTensors {
  /** One Hartley transform for each input or output size, keyed by the size. */
  transforms: ReadonlyMap<number, Hartley>;
}

/** Creates a Hartley transform for each distinct input or output size of the layers. */
function transforms({ layers }: SharedContext<FourierFTConfig>): Transforms {
  const found = new Map<number, Hartley>();
  for (const { base, path } of layers) {
    const { inFeatures, outFeatures, weight } = base as Linear;
    for (const size of [inFeatures, outFeatures]) {
      if (!found.has(size)) found.set(size, new Hartley(size, weight.storage.backend, path));
    }
  }
  const tables = [...found].flatMap(([size, { tables }]) => tables.map((table, i) => [`${size}.${i}`, table] as const));
  return { transforms: found, buffers: Object.fromEntries(tables) };
}

/**
 * FourierFT on a linear layer. Trains a few coefficients of a spectrum [out, in] that is zero elsewhere. The weight's
 * update is the real part of the spectrum's inverse Fourier transform, but this matrix is never computed. Instead,
 * cos(a + b) = (cas(-a) cas(b) + cas(a) cas(-b)) / 2, where cas = cos + sin, gives two terms for each coefficient. The
 * product of x and the update therefore takes a Hartley transform of x, a scaling of a few entries, and a second
 * Hartley transform.
 */
class FourierFTLinear extends ProductUpdate {
  readonly parameters: { readonly fourierft_spectrum: Parameter };
  readonly constants: readonly Tensor[];
  readonly #scale: number;
  readonly #outFeatures: number;
  readonly #inputs: Hartley;
  readonly #outputs: Hartley;
  /**
   * Indices into the Hartley transform of the input, [2 n]. Each of the n coefficients contributes two terms to the
   * update; each term reads one entry.
   */
  readonly #from: Tensor;
  /**
   * Indices into the Hartley transform of the output, [2 n]. Each of the two terms of the n coefficients is added to
   * one entry.
   */
  readonly #to: Tensor;

  constructor(context: LayerContext<FourierFTConfig>) {
    super();
    const { config, path } = context;
    const { inFeatures, outFeatures } = context.base as Linear;
    const size = inFeatures * outFeatures;
    const n = patternValue(config.nFrequencyPattern, path, config.nFrequency);
    if (n > size) {
      throw new OptionError("", "nFrequency", n, (named) => {
        const option = `${named("nFrequency")} ${n}`;
        return `${path} is [${outFeatures},${inFeatures}]: ${option} must be at most ${size}, the number of its weights`;
      });
    }
    const { zero, normal } = draws(context);
    const spectrum = drawn(config.initWeights ? zero : normal(1), [n]);
    this.parameters = { fourierft_spectrum: spectrum };
    const { backend } = spectrum.storage;
    const places = backend.dataless ? new Int32Array(n) : new TorchGenerator(config.randomLocSeed).randperm(size, n);
    const negative = (k: number, period: number) => (period - k) % period;
    const rows = Array.from(places, (place) => Math.floor(place / inFeatures));
    const columns = Array.from(places, (place) => place % inFeatures);
    const both = (first: number[], second: number[]) => tensor(Int32Array.from([...first, ...second]), { backend });
    this.#from = both(
      columns,
      columns.map((k) => negative(k, inFeatures)),
    );
    this.#to = both(
      rows.map((k) => negative(k, outFeatures)),
      rows,
    );
    this.constants = [this.#from, this.#to];
    const { transforms } = context.shared as Transforms;
    this.#inputs = transforms.get(inFeatures)!;
    this.#outputs = transforms.get(outFeatures)!;
    this.#scale = config.scaling / size / 2;
    this.#outFeatures = outFeatures;
  }

  protected product(x: Tensor): Tensor {
    const { fourierft_spectrum: spectrum } = this.parameters;
    const rows = x.shape[0];
    const [n] = spectrum.shape;
    const picked = indexSelect(this.#inputs.transform(x), this.#from, { dim: 1 });
    const scaled = mul(picked.reshape([rows, 2, n]), affine(spectrum, { scale: this.#scale }));
    const spread = indexAdd(
      zeros([rows, this.#outFeatures], { backend: x.storage.backend }),
      this.#to,
      scaled.reshape([rows, 2 * n]),
      { dim: 1 },
    );
    return this.#outputs.transform(spread);
  }
}

/** FourierFT: trains a few frequencies of the weight's update. Gao et al. 2024, https://arxiv.org/abs/2405.03003 */
export const fourierft: PeftMethod<FourierFTConfig> = definePeftMethod({
  peftType: "FOURIERFT",
  // No layer has more coefficients than its weight has elements, and a pattern can replace `nFrequency` on all layers.
  sizes: [],
  Config: FourierFTConfig,
  format: fourierftFormat,
  recipes: [
    {
      name: "fourierft",
      title: "FourierFT",
      learningRate: 3e-2,
      sizeOption: "n-frequency",
      // PEFT's random initialisation changes the outputs of small layers too much.
      config: ({ targetModules }) => new FourierFTConfig({ targetModules, initWeights: true }),
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
    initWeightsOption(),
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: spectralTargets,
  bias: ({ bias }) => biasMode(bias),
  patterns: ({ nFrequencyPattern }) => ({ nFrequencyPattern }),
  createShared: transforms,
  setsFanInFanOut: true,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new FourierFTLinear(context),
});
