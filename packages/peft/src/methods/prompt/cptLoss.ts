import { cat, crossEntropy, div, expand, mul, ne, slice, sum, type Tensor, tensor, to, where } from "@lowrank/core";
import type { PromptedLabels, PromptLoss, TokenTypes } from "@lowrank/nn";

/** The fields of CPT's configuration that the loss reads. */
interface LossFields {
  readonly cptTokenIds: readonly number[];
  readonly cptTokensTypeMask: readonly number[];
  readonly optWeightedLossType: "none" | "decay";
  readonly optLossDecayFactor: number;
}

const ignoreIndex = -100;

/** Returns true for types whose tokens are labels: 4, 8, ... */
const isLabel = (type: number): boolean => type > 0 && type % 4 === 0;

// B rows, P virtual tokens, T tokens of a row.

/**
 * The loss of CPT: the cross-entropy of the labels, of which earlier groups can have smaller weights. A group is all
 * labels of a row with the same type. Labels of the virtual tokens count too.
 */
export class CPTLoss implements PromptLoss {
  readonly #config: LossFields;

  constructor(config: LossFields) {
    this.#config = config;
  }

  of({ labels, inputTypeMask, logits, meanLoss }: PromptedLabels): Tensor {
    const { cptTokenIds: ids, optWeightedLossType, optLossDecayFactor: factor } = this.#config;
    const [rows, tokens] = labels.shape;
    const shape = [rows, ids.length + tokens];
    const { backend } = labels.storage;
    const types = checkedTypes(inputTypeMask, rows, tokens).map((row) => this.#allTypes(row, tokens));
    if (!backend.dataless && !types.some((row) => row.slice(1).some(isLabel))) throw this.#withoutLabels(inputTypeMask);
    const counted = tensor(
      Uint8Array.from(types.flat(), (type) => Number(isLabel(type))),
      { shape, backend },
    );
    const prompt = expand(tensor(Int32Array.from(ids), { shape: [1, ids.length], backend }), [rows, ids.length]);
    const all = where(counted, cat([prompt, labels], { dim: 1 }), ignoreIndex);
    if (optWeightedLossType === "none" || factor === 1) return meanLoss(all);
    const weights = tensor(Float32Array.from(types.flatMap((row) => decayed(row, factor))), { shape, backend });
    const predicted = slice(all, { dim: 1, start: 1 });
    const predicting = slice(logits(), { dim: 1, end: shape[1] - 1 });
    const losses = crossEntropy(predicting, predicted, { ignoreIndex, reduction: "none" });
    const count = sum(to(ne(predicted, ignoreIndex), { dtype: "f32" }));
    return div(sum(mul(losses, slice(weights, { dim: 1, start: 1 }))), count);
  }

  labelsOf(labels: ArrayLike<number>, types: ArrayLike<number> | null): Int32Array {
    const all = this.#allTypes(types, labels.length);
    const given = [...this.#config.cptTokenIds, ...Array.from(labels)];
    return Int32Array.from(given, (label, i) => (isLabel(all[i]) ? label : ignoreIndex));
  }

  /** Returns the types of the virtual tokens and of the tokens, which are larger by the largest type of the former. */
  #allTypes(types: ArrayLike<number> | null, tokens: number): number[] {
    const { cptTokensTypeMask: prompt } = this.#config;
    const largest = Math.max(...prompt);
    const given = types ? Array.from(types) : new Array<number>(tokens).fill(4);
    return [...prompt, ...given.map((type) => (type > 0 ? type + largest : type))];
  }

  #withoutLabels(given: TokenTypes | null): Error {
    const largest = Math.max(...this.#config.cptTokensTypeMask);
    const fit = (((4 - largest) % 4) + 4) % 4 || 4;
    const found = given ? "inputTypeMask" : "the default of inputTypeMask, 4 for every token,";
    return new Error(
      `CPT: ${found} gives no labels, since the largest of cptTokensTypeMask, ${largest}, is added to each type and labels have types that 4 divides; give inputTypeMask with ${fit} at the labels, or another cptTokensTypeMask`,
    );
  }
}

/** Returns the types of each row, or null for rows without types. Throws unless each token has one. */
function checkedTypes(given: TokenTypes | null, rows: number, tokens: number): (ArrayLike<number> | null)[] {
  if (!given) return new Array(rows).fill(null);
  if (given.length !== rows) {
    throw new Error(`inputTypeMask has ${given.length} rows for ${rows} rows of tokens; give the types of each row`);
  }
  for (const [row, types] of given.entries()) {
    if (types.length !== tokens) {
      throw new Error(
        `inputTypeMask[${row}] has ${types.length} elements for ${tokens} tokens; give one type for each token`,
      );
    }
    const other = Array.from(types).find((type) => !Number.isSafeInteger(type));
    if (other === undefined) continue;
    throw new Error(`inputTypeMask[${row}] has ${other}; give integers, of which 0 is padding`);
  }
  return [...given];
}

/** Returns the weight of each label of a row: 1 in the last group, and multiplied by `factor` for each earlier one. */
function decayed(types: readonly number[], factor: number): number[] {
  // Nothing predicts the first token.
  const groups = [...new Set(types.slice(1).filter(isLabel))].sort((a, b) => b - a);
  const weights = new Map(groups.map((type, i) => [type, factor ** i]));
  return types.map((type) => weights.get(type) ?? 1);
}
