import { checkInteger, checkOneOf, refuse, refuseExclusion, setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/** Forms of RoAd, which differ in the number of trained values for each output. */
export type RoadVariant = "road_1" | "road_2" | "road_4";

/** Options of `RoadConfig`. An option that is omitted has PEFT's default. */
export interface RoadOptions extends PeftOptions {
  /**
   * "road_1": each pair of outputs has one angle and one factor. "road_2": each output has its own angle and factor.
   * "road_4": each output has two of both. Default: "road_1".
   */
  variant?: RoadVariant;
  /**
   * Size of the groups of outputs in which pairs are formed: output i of a group's first half is paired with output i
   * of the second half. Must be even and divide the outputs of every adapted layer. It changes which outputs are
   * paired, not the number of parameters. Default: 64.
   */
  groupSize?: number;
  /**
   * True: angles 0 and factors 1, so that outputs do not change. False: angles from N(0, 0.25) and factors from
   * N(1, 0.25). Default: true.
   */
  initWeights?: boolean;
}

/** Configuration of RoAd (Liao and Monz 2024, https://arxiv.org/abs/2409.00119). Throws for values out of range. */
export class RoadConfig extends PeftConfig {
  readonly variant: RoadVariant = "road_1";
  readonly groupSize: number = 64;
  readonly initWeights: boolean = true;

  constructor(options: RoadOptions = {}) {
    super("ROAD", options);
    setOptions(this, options, roadFormat);
    refuseExclusion(this);
    checkOneOf(this, "variant", this.variant, ["road_1", "road_2", "road_4"]);
    checkInteger(this, "groupSize", this.groupSize, 2);
    if (this.groupSize % 2 !== 0) refuse(this, "groupSize", this.groupSize, "even");
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Rules for reading and writing RoAd's configuration in adapter_config.json. */
export const roadFormat: ConfigFormat = {
  classic: [...peftFields, "group_size", "init_weights", "variant"],
  floats: [],
  refused: {},
  ignored: {},
};
