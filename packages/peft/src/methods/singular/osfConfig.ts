import { checkOneOf, checkPattern, refuse, refuseExclusion, setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/** Options of `OSFConfig`. An option that is omitted has PEFT's default. */
export interface OSFOptions extends PeftOptions {
  /**
   * The number of singular directions of each weight that stay as they are: those with the largest singular values. A
   * fraction between 0 and 1 is relative to the weight's smaller dimension. Default: half of that dimension.
   */
  effectiveRank?: number | null;
  /**
   * Other values of `effectiveRank` by module. Each key is a regular expression that may match anywhere in the module's
   * path; the first one that matches counts.
   */
  rankPattern?: Readonly<Record<string, number>> | null;
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
}

/**
 * Configuration of OSF, orthogonal subspace fine-tuning (Nayak et al. 2025, https://arxiv.org/abs/2504.07097). Throws
 * for values out of range.
 */
export class OSFConfig extends PeftConfig {
  readonly effectiveRank: number | null = null;
  readonly rankPattern: Readonly<Record<string, number>> | null = null;
  readonly initWeights: boolean = true;

  constructor(options: OSFOptions = {}) {
    super("OSF", options);
    setOptions(this, options, osfFormat);
    refuseExclusion(this);
    if (this.effectiveRank !== null) checkKept(this, "effectiveRank", this.effectiveRank);
    if (this.rankPattern !== null) checkPattern(this, "rankPattern", this.rankPattern, checkKept);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Throws unless the value is a number of directions or a fraction of them. */
function checkKept(config: PeftConfig, key: string, value: unknown): void {
  const fits = typeof value === "number" && value > 0 && (value < 1 || Number.isInteger(value));
  if (!fits) refuse(config, key, value, "an integer of at least 1, or a fraction between 0 and 1");
}

/** Rules for reading and writing OSF's configuration in adapter_config.json. */
export const osfFormat: ConfigFormat = {
  classic: [...peftFields, "effective_rank", "init_weights", "rank_pattern", "target_svd_config"],
  floats: [],
  refused: {},
  ignored: { target_svd_config: null },
};
