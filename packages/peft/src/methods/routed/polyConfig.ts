import { checkInteger, checkOneOf, setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/** Options of `PolyConfig`. An option that is omitted has PEFT's default. */
export interface PolyOptions extends PeftOptions {
  /** The rank of each skill. Default: 8. */
  r?: number;
  /** The kind of router. PEFT has one. Default: "poly". */
  polyType?: "poly";
  /** Number of tasks. With several, every batch needs `taskIds`. Default: 1. */
  nTasks?: number;
  /** Number of skills, which are LoRA's factors A and B, in each layer. Default: 4. */
  nSkills?: number;
  /**
   * Number of parts into which the inputs and outputs of a layer are split. The router mixes the skills of each part
   * separately. It must divide both sizes. With several, the method is multi-head routing. Default: 1.
   */
  nSplits?: number;
  /** True: B is zero, so that the new adapter leaves outputs unchanged. False: B is random. Default: true. */
  initWeights?: boolean;
}

/**
 * Configuration of Poly (Ponti et al. 2022, https://arxiv.org/abs/2202.13914), and of multi-head routing (Caccia et al.
 * 2022, https://arxiv.org/abs/2211.03831). Throws for values out of range.
 */
export class PolyConfig extends PeftConfig {
  readonly r: number = 8;
  readonly polyType: "poly" = "poly";
  readonly nTasks: number = 1;
  readonly nSkills: number = 4;
  readonly nSplits: number = 1;
  readonly initWeights: boolean = true;

  constructor(options: PolyOptions = {}) {
    super("POLY", options);
    setOptions(this, options, polyFormat);
    for (const field of ["r", "nTasks", "nSkills", "nSplits"] as const) checkInteger(this, field, this[field]);
    checkOneOf(this, "polyType", this.polyType, ["poly"]);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Rules for reading and writing Poly's configuration in adapter_config.json. */
export const polyFormat: ConfigFormat = {
  classic: [...peftFields, "init_weights", "n_skills", "n_splits", "n_tasks", "poly_type", "r"],
  floats: [],
  refused: {},
  ignored: {},
};
