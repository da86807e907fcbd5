import { checkFinite, checkInteger, checkOneOf, setOptions } from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** The activation functions of transformers that have no parameters. */
export const peanutActivations = [
  "relu",
  "gelu",
  "gelu_10",
  "gelu_fast",
  "gelu_new",
  "gelu_python",
  "gelu_pytorch_tanh",
  "gelu_python_tanh",
  "gelu_accurate",
  "hardswish",
  "laplace",
  "leaky_relu",
  "linear",
  "mish",
  "quick_gelu",
  "relu2",
  "relu6",
  "sigmoid",
  "silu",
  "sqrtsoftplus",
  "swish",
  "tanh",
] as const;

/** Name of an activation function, as in transformers. */
export type PeanutActivation = (typeof peanutActivations)[number];

/** Options of `PeanutConfig`. An option that is omitted has PEFT's default. */
export interface PeanutOptions extends LayerPeftOptions {
  /** Width of the network. Default: 32. */
  r?: number;
  /** Number of encoders, and of decoders, between the layers A and B. Default: 0. */
  depth?: number;
  /** The activation function. "prelu" and "xielu", which have parameters, are not supported. Default: "relu". */
  actFn?: PeanutActivation;
  /** Factor of the update. Default: 1. */
  scaling?: number;
  /** True: B is zero, so that the new adapter leaves outputs unchanged. False: B is random. Default: true. */
  initWeights?: boolean;
}

/** Configuration of PEANuT, a small network that maps the weight to its update. Throws for values out of range. */
export class PeanutConfig extends LayerPeftConfig {
  readonly r: number = 32;
  readonly depth: number = 0;
  readonly actFn: PeanutActivation = "relu";
  readonly scaling: number = 1;
  readonly initWeights: boolean = true;

  constructor(options: PeanutOptions = {}) {
    super("PEANUT", options);
    setOptions(this, options, peanutFormat);
    checkInteger(this, "r", this.r);
    checkInteger(this, "depth", this.depth, 0);
    checkOneOf(this, "actFn", this.actFn, peanutActivations);
    checkFinite(this, "scaling", this.scaling);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Rules for reading and writing PEANuT's configuration in adapter_config.json. */
export const peanutFormat: ConfigFormat = {
  classic: [...layerFields, "act_fn", "depth", "init_weights", "r", "scaling"],
  floats: ["scaling"],
  refused: {},
  ignored: {},
};
