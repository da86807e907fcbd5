import type { MethodOption, PeftConfig } from "@lowrank/peft";

/** Values of numbers whose defaults need more elements than a small model has, by field. */
const shares: Readonly<Record<string, readonly number[]>> = { sparsity: [0.5, 0, 0.75] };

/**
 * Values that suit small models, by field. Other sizes of Shadow's mirror do not fit its heads, and its own embedding
 * exempts it from a property.
 */
const fitting: Readonly<Record<string, readonly unknown[]>> = {
  shadowHiddenSize: [4],
  shadowNumAttentionHeads: [2],
  shareEmbeddings: [true],
};

/** Options that need arguments of `forward` which drawn inputs do not have: the tasks of rows. */
const needArguments: ReadonlySet<string> = new Set(["numTasks", "nTasks"]);

/** True if a number's default is too large for a model with a few elements, so that the option is always set. */
export function isLarge(config: PeftConfig, { field, type }: MethodOption): boolean {
  const value: unknown = Reflect.get(config, field);
  if (type === "number" && field in shares) return true;
  return type === "integer" && typeof value === "number" && value > 4;
}

/** Values of options that take texts, by field. Methods that do not accept a value refuse it. */
const texts: Readonly<Record<string, readonly unknown[]>> = {
  bias: ["none", "all", "lora_only"],
  initLoraWeights: [true, false, "gaussian", "orthogonal", "pissa", "pissa_niter_2", "olora", "loftq"],
};

/**
 * Returns small values of an option. Empty for names, targets and unknown texts, for probabilities, which only affect
 * training, and for options that need further arguments of `forward`.
 */
export function smallValues(option: MethodOption): readonly unknown[] {
  if (needArguments.has(option.field)) return [];
  const limits = { least: Number.NEGATIVE_INFINITY, above: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };
  if (option.type === "number" && option.field in shares) return shares[option.field];
  if (option.field in fitting) return fitting[option.field];
  switch (option.type) {
    case "integer":
    case "number": {
      const { least, above, most } = { ...limits, ...option };
      if (option.type === "number" && most === 1) return [];
      const small = option.type === "integer" ? [2, 1, 4, 0] : [1, 0.5, 2];
      return small.filter((x) => x >= least && x > above && x <= most);
    }
    case "boolean":
      return [false, true];
    case "oneOf":
      return option.values;
    case "text":
      return texts[option.field] ?? [];
    default:
      return [];
  }
}
