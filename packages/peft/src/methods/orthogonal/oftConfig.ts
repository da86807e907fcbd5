import { checkDropout, checkFinite, checkInteger, checkOneOf, refuse, setOptions } from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `OFTConfig`. An option that is omitted has PEFT's default. */
export interface OFTOptions extends LayerPeftOptions {
  /** Number of blocks into which a layer's features are split. 0 if `oftBlockSize` is set instead. Default: 0. */
  r?: number;
  /**
   * Number of features in a block. 0 if `r` is set instead. If it does not divide a layer's number of features, the
   * nearest divisor is used. Default: 32.
   */
  oftBlockSize?: number;
  /** Has no effect, as in PEFT; it is only read from and written to adapter_config.json. Default: 0. */
  moduleDropout?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
  /** Keeps every block close to the identity (constrained OFT). Default: false. */
  coft?: boolean;
  /** The maximum distance of a block from the identity with `coft`. Default: 6e-5. */
  eps?: number;
  /** True if all blocks of a layer share one rotation. Default: false. */
  blockShare?: boolean;
  /**
   * Computes each rotation by a truncated Neumann series instead of solving a linear system. Faster, but only nearly
   * orthogonal. Default: true.
   */
  useCayleyNeumann?: boolean;
  /** Number of terms of the Neumann series, at most 1000. Default: 5. */
  numCayleyNeumannTerms?: number;
}

/**
 * Maximum of `numCayleyNeumannTerms`. Each term costs two matrix products in every pass. The limit protects against
 * configuration files that request thousands of terms.
 */
const mostTerms = 1000;

/** Configuration of OFT (Qiu et al. 2023, https://arxiv.org/abs/2306.07280). Throws for values out of range. */
export class OFTConfig extends LayerPeftConfig {
  readonly r: number = 0;
  readonly oftBlockSize: number = 32;
  readonly moduleDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly bias: TrainedBiases = "none";
  readonly initWeights: boolean = true;
  readonly coft: boolean = false;
  readonly eps: number = 6e-5;
  readonly blockShare: boolean = false;
  readonly useCayleyNeumann: boolean = true;
  readonly numCayleyNeumannTerms: number = 5;

  constructor(options: OFTOptions = {}) {
    super("OFT", options);
    setOptions(this, options, oftFormat);
    for (const key of ["r", "oftBlockSize", "numCayleyNeumannTerms"] as const) checkInteger(this, key, this[key], 0);
    if (this.numCayleyNeumannTerms > mostTerms) {
      refuse(this, "numCayleyNeumannTerms", this.numCayleyNeumannTerms, `at most ${mostTerms}`);
    }
    if ((this.r === 0) === (this.oftBlockSize === 0)) {
      refuse(this, "r", this.r, (named) => {
        const other = `${named("oftBlockSize")} (${this.oftBlockSize})`;
        return `0, or ${other} must be 0, but not both: the other one follows from a layer's number of inputs`;
      });
    }
    checkDropout(this, "moduleDropout", this.moduleDropout);
    checkFinite(this, "eps", this.eps);
    checkBias(this);
    for (const key of ["initWeights", "coft", "blockShare", "useCayleyNeumann"] as const) {
      checkOneOf(this, key, this[key], [true, false]);
    }
  }
}

/** Rules for reading and writing OFT's configuration in adapter_config.json. */
export const oftFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "block_share",
    "coft",
    "eps",
    "fan_in_fan_out",
    "init_weights",
    "module_dropout",
    "num_cayley_neumann_terms",
    "oft_block_size",
    "peft_version",
    "r",
    "use_cayley_neumann",
  ],
  floats: ["eps", "module_dropout"],
  refused: {},
  ignored: {},
  note: ({ peft_version: version, use_cayley_neumann: neumann }) => {
    // PEFT writes its version into files since 0.18. A file without it is older.
    const [major, minor] = String(version ?? "0.17")
      .split(".")
      .map(Number);
    if (!neumann || major > 0 || minor >= 18) return null;
    const message = `PEFT ${version ?? "before 0.18"} wrote it, whose rotations by Neumann series (use_cayley_neumann) changed in 0.18: it computes other values here, as in newer PEFT; train it again, or use PEFT 0.17`;
    return { code: "outdated-file", message };
  },
};
