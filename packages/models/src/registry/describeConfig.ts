import { checkOptions } from "@lowrank/core";
import { JsonFields } from "../config/jsonFields.ts";
import { describeStack, type StackDescription } from "./describeBuilt.ts";
import { describeModel } from "./describeModel.ts";
import { parseClassifierConfig, parseModelConfig, parseStackConfig } from "./modelConfig.ts";
import { architectureOf, findArchitecture } from "./registry.ts";

/** Reads the kind of head that a config.json names; "unsaid" if it names none. */
function headOf(fields: JsonFields): "classifies" | "other" | "unsaid" {
  const [name] = [fields.raw("architectures") ?? []].flat();
  if (name === undefined) return "unsaid";
  return String(name).endsWith("ForSequenceClassification") ? "classifies" : "other";
}

/**
 * True if the model of a config.json classifies sequences: its `architectures` say so,
 * or it can do nothing else.
 */
export function classifiesSequences(json: unknown, where = "config.json"): boolean {
  const fields = new JsonFields(json, where);
  const head = headOf(fields);
  if (head !== "unsaid") return head === "classifies";
  const { causalLM, sequenceClassification } = findArchitecture(String(fields.raw("model_type")))?.heads ?? {};
  return causalLM === undefined && sequenceClassification !== undefined;
}

/** Options of `describeConfig`. */
export interface DescribeConfigOptions {
  /** The config's name in error messages. Default "config.json". */
  where?: string;
  /**
   * Gives the model a head that classifies where it has one here, as transformers does.
   * Default: as the config says.
   */
  classifies?: boolean;
}

/**
 * Describes the model of a `config.json`: one that classifies, or one that predicts tokens. If the
 * config names a head that is not known here, the model is a stack without a head, as
 * transformers' AutoModel makes it.
 */
export function describeConfig(json: unknown, options: DescribeConfigOptions = {}): StackDescription {
  checkOptions("describeConfig", options, { where: true, classifies: true });
  const { where = "config.json", classifies = false } = options;
  const fields = new JsonFields(json, where);
  const heads = findArchitecture(String(fields.raw("model_type")))?.heads ?? {};
  const wanted = classifies && heads.sequenceClassification !== undefined;
  if (wanted || classifiesSequences(json, where)) return describeModel(parseClassifierConfig(json, where));
  if (heads.causalLM) return describeModel(parseModelConfig(json, where));
  const config = parseStackConfig(json, where);
  return describeStack(architectureOf(config), config);
}
