import {
  checkDropout,
  checkFinite,
  checkFlags,
  checkInteger,
  checkOneOf,
  refuse,
  setOptions,
} from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `PsoftConfig`. An option that is omitted has PEFT's default. */
export interface PsoftOptions extends LayerPeftOptions {
  /** Number of singular vectors of each weight. It must be at most the smaller size of every layer. Default: 32. */
  r?: number;
  /** Alpha in the scaling alpha / r. It scales B only, so it does not change the new adapter's update. Default: 32. */
  psoftAlpha?: number;
  /** Dropout on the adapter's input during training. Default: 0. */
  psoftDropout?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /**
   * "psoft_init": A has orthonormal rows, and B contains the singular values. "pissa_init": A and B each contain their
   * square roots. Default: "psoft_init".
   */
  abSvdInit?: "psoft_init" | "pissa_init";
  /**
   * "full": the exact singular vectors. "lowrank": approximate ones from random projections, as `torch.svd_lowrank`.
   * Default: "full".
   */
  psoftSvd?: "full" | "lowrank";
  /** Number of power iterations of `psoftSvd: "lowrank"`. Default: 10. */
  psoftSvdLowrankNiter?: number;
  /** Seed of the random projections of `psoftSvd: "lowrank"`. Default: 0. */
  randomSeed?: number;
  /** True: R is a rotation. False: R is any matrix. Default: true. */
  psoftOrth?: boolean;
  /** Trains a factor for each output of R. Default: true. */
  psoftMagB?: boolean;
  /** Trains a factor for each input of R. Default: true. */
  psoftMagA?: boolean;
  /**
   * Computes R by a truncated Neumann series instead of solving a linear system. Faster, but only nearly orthogonal.
   * Default: false.
   */
  useCayleyNeumann?: boolean;
  /** Number of terms of the Neumann series, from 1 to 1000. Default: 5. */
  numCayleyNeumannTerms?: number;
  /**
   * Maximum Frobenius norm of the skew-symmetric matrix in the Neumann series, between 0 and 1. A larger matrix is
   * scaled down. Null: no maximum. Default: null.
   */
  cayleyNeumannEps?: number | null;
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
}

/** Maximum of `numCayleyNeumannTerms`. Each term costs a matrix product in every pass. */
const mostTerms = 1000;

/**
 * Configuration of PSOFT, orthogonal fine-tuning in the principal subspace
 * (https://openreview.net/forum?id=FSHrinMArK). Throws for values out of range.
 */
export class PsoftConfig extends LayerPeftConfig {
  readonly r: number = 32;
  readonly psoftAlpha: number = 32;
  readonly psoftDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly abSvdInit: "psoft_init" | "pissa_init" = "psoft_init";
  readonly psoftSvd: "full" | "lowrank" = "full";
  readonly psoftSvdLowrankNiter: number = 10;
  readonly randomSeed: number = 0;
  readonly psoftOrth: boolean = true;
  readonly psoftMagB: boolean = true;
  readonly psoftMagA: boolean = true;
  readonly useCayleyNeumann: boolean = false;
  readonly numCayleyNeumannTerms: number = 5;
  readonly cayleyNeumannEps: number | null = null;
  readonly initWeights: boolean = true;

  constructor(options: PsoftOptions = {}) {
    super("PSOFT", options);
    setOptions(this, options, psoftFormat);
    const { psoftAlpha, psoftOrth, psoftMagA, psoftMagB, useCayleyNeumann, initWeights } = this;
    checkInteger(this, "r", this.r);
    checkFinite(this, "psoftAlpha", psoftAlpha);
    checkDropout(this, "psoftDropout", this.psoftDropout);
    checkOneOf(this, "abSvdInit", this.abSvdInit, ["psoft_init", "pissa_init"]);
    // B is divided by the scaling.
    if (psoftAlpha === 0) refuse(this, "psoftAlpha", psoftAlpha, "other than 0");
    if (psoftAlpha < 0 && this.abSvdInit === "pissa_init") {
      refuse(this, "psoftAlpha", psoftAlpha, (named) => `above 0 with ${named("abSvdInit")} "pissa_init"`);
    }
    checkOneOf(this, "psoftSvd", this.psoftSvd, ["full", "lowrank"]);
    checkInteger(this, "psoftSvdLowrankNiter", this.psoftSvdLowrankNiter, 0);
    checkInteger(this, "randomSeed", this.randomSeed, Number.MIN_SAFE_INTEGER);
    checkFlags(this, { psoftOrth, psoftMagB, psoftMagA, useCayleyNeumann, initWeights });
    checkSeries(this);
  }
}

/** Throws for options of the Neumann series that do not fit. Without the series, only their types are checked. */
function checkSeries(config: PsoftConfig): void {
  const { useCayleyNeumann, numCayleyNeumannTerms: terms, cayleyNeumannEps: eps } = config;
  checkInteger(config, "numCayleyNeumannTerms", terms, useCayleyNeumann ? 1 : Number.MIN_SAFE_INTEGER);
  if (useCayleyNeumann && terms > mostTerms) refuse(config, "numCayleyNeumannTerms", terms, `at most ${mostTerms}`);
  if (eps === null) return;
  checkFinite(config, "cayleyNeumannEps", eps);
  if (useCayleyNeumann && !(eps > 0 && eps < 1)) {
    refuse(config, "cayleyNeumannEps", eps, "between 0 and 1, without both, or null");
  }
}

/** Rules for reading and writing PSOFT's configuration in adapter_config.json. */
export const psoftFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "ab_svd_init",
    "cayley_neumann_eps",
    "exclude_modules",
    "fan_in_fan_out",
    "init_weights",
    "num_cayley_neumann_terms",
    "psoft_alpha",
    "psoft_dropout",
    "psoft_mag_a",
    "psoft_mag_b",
    "psoft_orth",
    "psoft_svd",
    "psoft_svd_lowrank_niter",
    "r",
    "random_seed",
    "use_cayley_neumann",
  ],
  floats: ["cayley_neumann_eps", "psoft_dropout"],
  refused: {},
  ignored: {},
};
