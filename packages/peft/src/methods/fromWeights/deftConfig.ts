import {
  checkDropout,
  checkFinite,
  checkFlags,
  checkInteger,
  checkOneOf,
  refuse,
  setOptions,
} from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** The form of DEFT's subspace of W: P and relu(P), or an orthonormal basis of P's columns. */
export type DeftDecomposition = "relu" | "qr";

/** Options of `DeftConfig`. An option that is omitted has PEFT's default. */
export interface DeftOptions extends LayerPeftOptions {
  /** The rank. It is at most the number of a layer's outputs. Default: 8. */
  r?: number;
  /**
   * "relu": the subspace that is removed is P relu(P)ᵀ W. "qr": it is Q Qᵀ W, where the columns of Q are an orthonormal
   * basis of P's columns. Default: "relu".
   */
  decompositionMethod?: DeftDecomposition;
  /** Factor of the standard deviation of R's initial values, if `initWeights` is false. Default: 1. */
  initScale?: number;
  /** R is multiplied by alpha / the layer's rank. Null or 0: R is not multiplied. Default: null. */
  alpha?: number | null;
  /**
   * True: PaRa, which removes the subspace and adds nothing. It lacks R, and a new adapter changes outputs. Default:
   * false.
   */
  para?: boolean;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /** Dropout on the input of R during training. Default: 0. */
  deftDropout?: number;
  /** True: R starts such that outputs do not change. False: R is random. Default: true. */
  initWeights?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "deft_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of DEFT, and of PaRa. Throws for values out of range. */
export class DeftConfig extends LayerPeftConfig {
  readonly r: number = 8;
  readonly decompositionMethod: DeftDecomposition = "relu";
  readonly initScale: number = 1;
  readonly alpha: number | null = null;
  readonly para: boolean = false;
  readonly fanInFanOut: boolean = false;
  readonly deftDropout: number = 0;
  readonly initWeights: boolean = true;
  readonly bias: TrainedBiases = "none";

  constructor(options: DeftOptions = {}) {
    super("DEFT", options);
    setOptions(this, options, deftFormat);
    checkInteger(this, "r", this.r);
    checkOneOf(this, "decompositionMethod", this.decompositionMethod, ["relu", "qr"]);
    checkFinite(this, "initScale", this.initScale);
    if (this.initScale < 0) refuse(this, "initScale", this.initScale, "at least 0");
    if (this.alpha !== null) checkFinite(this, "alpha", this.alpha);
    checkFlags(this, { para: this.para, initWeights: this.initWeights });
    checkDropout(this, "deftDropout", this.deftDropout);
    checkBias(this);
  }
}

/** Rules for reading and writing DEFT's configuration in adapter_config.json. */
export const deftFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "alpha",
    "bias",
    "decomposition_method",
    "deft_dropout",
    "fan_in_fan_out",
    "init_scale",
    "init_weights",
    "para",
    "r",
  ],
  floats: ["deft_dropout", "init_scale"],
  refused: {},
  ignored: {},
};
