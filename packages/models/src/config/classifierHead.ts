import type { JsonFields } from "./jsonFields.ts";

/** The kind of decision about a sequence, which sets the loss. */
export type ProblemType = "regression" | "single_label_classification" | "multi_label_classification";

/** The head of a sequence classifier, as its config describes it. */
export interface ClassifierHead {
  /** The labels' names, by number. */
  labels: string[];
  /** Null: regression for one label, otherwise one of them for each sequence. */
  problemType: ProblemType | null;
}

const problemTypes = ["regression", "single_label_classification", "multi_label_classification"] as const;

/** Reads the head's part of a `config.json`; two labels without names where it says nothing. */
export function readClassifierHead(fields: JsonFields): ClassifierHead {
  const problemType = fields.raw("problem_type") === undefined ? null : fields.oneOf("problem_type", problemTypes);
  const named = fields.object("id2label");
  if (named === undefined) {
    return { labels: Array.from({ length: fields.size("num_labels", 2) }, (_, i) => `LABEL_${i}`), problemType };
  }
  const count = Object.keys(fields.raw("id2label") as object).length;
  const labels = Array.from({ length: count }, (_, id) => named.raw(String(id)));
  if (labels.length === 0 || !labels.every((label) => typeof label === "string")) {
    throw fields.bad("id2label", "names for the numbers from 0 on");
  }
  return { labels: labels as string[], problemType };
}

/** The head's part of a `config.json`. */
export function classifierHeadToHf({ labels, problemType }: ClassifierHead): Record<string, unknown> {
  return {
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    ...(problemType && { problem_type: problemType }),
  };
}
