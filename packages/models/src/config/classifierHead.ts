import type { JsonFields } from "./jsonFields.ts";

/** The kind of classification problem, which determines the loss. */
export type ProblemType = "regression" | "single_label_classification" | "multi_label_classification";

/** The config fields of a classification head. */
export interface ClassifierHead {
  /** Names of the labels, by index. */
  labels: string[];
  /**
   * The kind of problem, which selects the loss; null means regression for one label, otherwise single-label
   * classification.
   */
  problemType: ProblemType | null;
}

const problemTypes = ["regression", "single_label_classification", "multi_label_classification"] as const;

/** Reads the fields of a classification head from a `config.json`. Default: two labels, LABEL_0 and LABEL_1. */
export function readClassifierHead(fields: JsonFields): ClassifierHead {
  const problemType = fields.raw("problem_type") === undefined ? null : fields.oneOf("problem_type", problemTypes);
  const named = fields.object("id2label");
  if (named === undefined) {
    return { labels: Array.from({ length: fields.size("num_labels", 2) }, (_, i) => `LABEL_${i}`), problemType };
  }
  const count = Object.keys(fields.raw("id2label") as object).length;
  const labels = Array.from({ length: count }, (_, id) => named.raw(String(id)));
  if (labels.length === 0 || !labels.every((label) => typeof label === "string")) {
    throw fields.bad("id2label", "names for the indices from 0 on");
  }
  return { labels: labels as string[], problemType };
}

/** Returns the `config.json` keys of a classification head. */
export function classifierHeadToHf({ labels, problemType }: ClassifierHead): Record<string, unknown> {
  return {
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    ...(problemType && { problem_type: problemType }),
  };
}
