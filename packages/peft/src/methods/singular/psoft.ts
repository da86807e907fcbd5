import {
  add,
  affine,
  matmul,
  maximum,
  mul,
  OptionError,
  rsqrt,
  scope,
  square,
  sub,
  type Tensor,
  tensor,
  zeros,
} from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { type Dropout, Linear, type Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import { UnsupportedError } from "../../config/checks.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import {
  cayley,
  cayleyNeumann,
  cayleyNeumannOptions,
  identity,
  type SkewMap,
  skewMap,
  skewSymmetric,
} from "../orthogonal/rotation.ts";
import {
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { addProduct } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { lowRankSvd } from "./lowRankSvd.ts";
import { PsoftConfig, psoftFormat } from "./psoftConfig.ts";
import { asColumns, weightSvd, weightValues } from "./weightSvd.ts";

/** The singular vectors of a layer's weight under their names in files: A [r, in], B [out, r]. */
interface Factors {
  readonly _psoft_A_cache: Tensor;
  readonly _psoft_B_cache: Tensor;
}

/** Throws if a layer's file has a trained R but lacks the singular vectors to which it belongs. */
function checkFile({ path, shapeOf }: LayerContext<PsoftConfig>): void {
  if (shapeOf("_psoft_A_cache") && shapeOf("_psoft_B_cache")) return;
  if (!shapeOf("psoft_R.weight")) return;
  const reason = "PEFT leaves them out and computes them again, but their signs differ between programs and devices";
  const fix = "save the adapter again as docs/methods.md describes under PSOFT, or convert it to LoRA in PEFT";
  const problem = `the file lacks _psoft_A_cache and _psoft_B_cache of ${path}, the singular vectors of its R`;
  throw new UnsupportedError("needs_singular_vectors", `PSOFT: ${problem}: ${reason}; ${fix}`);
}

/** Returns the constants of a layer. Values that a file contains are zeros. */
async function factors(context: LayerContext<PsoftConfig>): Promise<Factors> {
  const { base, config, path, backend, loading } = context;
  const { r, psoftAlpha, abSvdInit, psoftSvd, psoftSvdLowrankNiter: turns, randomSeed } = config;
  const { inFeatures, outFeatures } = base as Linear;
  if (r > Math.min(inFeatures, outFeatures)) {
    throw new OptionError("", "r", r, (named) => {
      return `${path} is [${outFeatures},${inFeatures}]: ${named("r")} ${r} must be at most ${Math.min(inFeatures, outFeatures)}, the number of its singular vectors; choose a smaller value, or leave the layer out`;
    });
  }
  if (loading) checkFile(context);
  if (loading || backend.dataless) {
    return {
      _psoft_A_cache: zeros([r, inFeatures], { backend }),
      _psoft_B_cache: zeros([outFeatures, r], { backend }),
    };
  }
  const { values, left, right } =
    psoftSvd === "full"
      ? await weightSvd(context, r)
      : lowRankSvd(await weightValues(context), [outFeatures, inFeatures], r, randomSeed, turns);
  const scaling = psoftAlpha / r;
  const scaled = (vectors: Float64Array, size: number, factor: (value: number) => number) =>
    vectors.map((x, i) => x * factor(values[Math.floor(i / size)] / scaling));
  const [ofA, ofB] = abSvdInit === "pissa_init" ? [Math.sqrt, Math.sqrt] : [() => 1, (value: number) => value];
  const a = Float32Array.from(scaled(right, inFeatures, ofA));
  const b = asColumns(scaled(left, outFeatures, ofB), outFeatures);
  return {
    _psoft_A_cache: tensor(a, { shape: [r, inFeatures], backend }),
    _psoft_B_cache: tensor(b, { shape: [outFeatures, r], backend }),
  };
}

/** Scales a matrix down to a Frobenius norm of `most`, if its norm is larger. */
function limited(matrix: Tensor, most: number): Tensor {
  const norm = maximum(square(matrix).sum(), most ** 2);
  return mul(matrix, affine(rsqrt(norm), { scale: most }));
}

/**
 * PSOFT on a linear layer. The update of the weight is c B (R - I) A. A and B are singular vectors of the weight, and R
 * [r, r] trains: it is a rotation with a factor for each of its outputs and inputs.
 */
class PsoftLinear implements LayerAdapter {
  readonly parameters: {
    readonly "psoft_R.weight": Parameter;
    readonly "psoft_R.vector_b"?: Parameter;
    readonly "psoft_R.vector_a"?: Parameter;
  };
  readonly buffers: Readonly<Record<keyof Factors, Tensor>>;
  readonly constants: readonly Tensor[];
  readonly modules: Readonly<Record<string, Module>>;
  readonly #config: PsoftConfig;
  readonly #dropout: Dropout;
  /** The identity, [r, r]. */
  readonly #unit: Tensor;
  /** Null if R is any matrix. */
  readonly #skew: SkewMap | null;

  constructor(context: LayerContext<PsoftConfig>, buffers: Factors) {
    const { config } = context;
    const { r, psoftOrth, psoftMagB, psoftMagA, psoftDropout, initWeights } = config;
    const { zero, one, normal } = draws(context);
    this.#config = config;
    this.buffers = { ...buffers };
    this.#unit = identity(r, buffers._psoft_A_cache);
    this.#skew = psoftOrth ? skewMap(r, buffers._psoft_A_cache) : null;
    this.constants = this.#skew ? [this.#unit, this.#skew.index, this.#skew.sign] : [this.#unit];
    const change = initWeights ? zero : normal(0.1);
    this.parameters = {
      "psoft_R.weight": psoftOrth
        ? drawn(change, [(r * (r - 1)) / 2])
        : drawn((shape) => add(this.#unit, change(shape)), [r, r]),
      ...(psoftMagB ? { "psoft_R.vector_b": drawn(one, [r]) } : {}),
      ...(psoftMagA ? { "psoft_R.vector_a": drawn(one, [r]) } : {}),
    };
    this.#dropout = layerDropout(context, psoftDropout);
    this.modules = psoftDropout > 0 ? { psoft_dropout: this.#dropout } : {};
  }

  /** Returns the rotation that the trained values define, or the trained matrix, [r, r]. */
  #rotation(): Tensor {
    const { r, useCayleyNeumann, numCayleyNeumannTerms, cayleyNeumannEps } = this.#config;
    const { "psoft_R.weight": weight } = this.parameters;
    if (!this.#skew) return weight;
    const skew = skewSymmetric(weight.reshape([1, -1]), this.#skew);
    // Cayley's transform is transposed, since PEFT's has the opposite sign.
    if (!useCayleyNeumann) return cayley(skew).reshape([r, r]).transpose(0, 1);
    const near = cayleyNeumannEps === null ? skew : limited(skew, cayleyNeumannEps);
    return cayleyNeumann(near, numCayleyNeumannTerms).reshape([r, r]);
  }

  /** Returns B (R - I), [out, r]. */
  #left(): Tensor {
    const { "psoft_R.vector_b": ofOutputs, "psoft_R.vector_a": ofInputs } = this.parameters;
    const rotation = this.#rotation();
    const rows = ofOutputs ? mul(ofOutputs.reshape([-1, 1]), rotation) : rotation;
    return matmul(this.buffers._psoft_B_cache, sub(ofInputs ? mul(rows, ofInputs) : rows, this.#unit));
  }

  get #scaling(): number {
    return this.#config.psoftAlpha / this.#config.r;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const dropped = this.#dropout.forward(x);
      if (base instanceof Linear && base.isExact && dropped === x) {
        const { _psoft_A_cache: a } = this.buffers;
        const y = loraLinear(x, base.weight, a, this.#left(), { scaling: this.#scaling });
        return base.bias ? add(y, toF32(base.bias)) : y;
      }
      return add(base.forward(x), this.#product(dropped));
    });
  }

  added(x: Tensor): Tensor {
    return this.#product(this.#dropout.forward(x));
  }

  #product(x: Tensor): Tensor {
    const low = matmul(x, this.buffers._psoft_A_cache, { transposeB: true });
    return affine(matmul(low, this.#left(), { transposeB: true }), { scale: this.#scaling });
  }

  merge(base: DenseLayer): DenseLayer {
    return addProduct(base, this.buffers._psoft_A_cache, affine(this.#left(), { scale: this.#scaling }));
  }
}

/**
 * PSOFT: rotates the largest singular vectors of each weight by a small trained matrix.
 * https://openreview.net/forum?id=FSHrinMArK
 */
export const psoft: PeftMethod<PsoftConfig> = definePeftMethod({
  peftType: "PSOFT",
  sizes: ["r"],
  Config: PsoftConfig,
  format: psoftFormat,
  recipes: [
    {
      name: "psoft",
      title: "PSOFT",
      learningRate: 1e-2,
      config: ({ r, targetModules }) => new PsoftConfig({ r, psoftAlpha: r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    // The update does not scale with alpha, which `--alpha` promises.
    { field: "psoftAlpha", flag: "psoft-alpha", type: "number", above: 0, help: "B starts divided by alpha / r" },
    dropoutOption("psoftDropout"),
    targetsOption,
    modulesToSaveOption,
    {
      field: "abSvdInit",
      flag: "ab-svd-init",
      type: "oneOf",
      values: ["psoft_init", "pissa_init"],
      help: "singular values in B, or their square roots in A and B",
    },
    {
      field: "psoftSvd",
      flag: "psoft-svd",
      type: "oneOf",
      values: ["full", "lowrank"],
      help: "exact or approximate singular vectors",
    },
    {
      field: "psoftSvdLowrankNiter",
      flag: "psoft-svd-lowrank-niter",
      type: "integer",
      least: 0,
      help: "iterations of --psoft-svd lowrank",
    },
    { field: "randomSeed", flag: "random-seed", type: "integer", help: "seed of the approximate decomposition" },
    {
      field: "psoftOrth",
      flag: "psoft-orth",
      type: "oneOf",
      values: [true, false],
      help: "train a rotation instead of any matrix",
    },
    {
      field: "psoftMagB",
      flag: "psoft-mag-b",
      type: "oneOf",
      values: [true, false],
      help: "train a factor for each output of the rotation",
    },
    {
      field: "psoftMagA",
      flag: "psoft-mag-a",
      type: "oneOf",
      values: [true, false],
      help: "train a factor for each input of the rotation",
    },
    ...cayleyNeumannOptions(1),
    {
      field: "cayleyNeumannEps",
      flag: "cayley-neumann-eps",
      type: "number",
      above: 0,
      help: "maximum norm of the matrix in the series",
    },
    initWeightsOption(),
  ],
  kinds: ["linear"],
  defaultTargets: attentionTargets,
  setsFanInFanOut: true,
  // Files contain the singular vectors.
  swappable: { fields: ["abSvdInit", "initWeights", "psoftSvd", "psoftSvdLowrankNiter", "randomSeed"] },
  createLayer: async (context) => new PsoftLinear(context, await factors(context)),
});
