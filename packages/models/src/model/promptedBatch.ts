import {
  abs,
  arange,
  attention,
  cat,
  expand,
  formatShape,
  le,
  mul,
  ones,
  reshape,
  slice,
  sub,
  Tensor,
  to,
  zeros,
} from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import type { Attend, VirtualTokens } from "@lowrank/nn";
import { earlierRows, setBatch } from "@lowrank/nn/internal";
import type { GivenPositions } from "../rope/rope.ts";
import type { LabelledInputs, ModelInputs } from "./causalLM.ts";
import type { LabelledSequences } from "./sequenceClassifier.ts";

/**
 * The inputs of a forward pass, together with the virtual tokens (of prompt tuning or prefix tuning) that come before
 * each sequence.
 */
export class PromptedBatch {
  /** Position of the first token that this pass computes. */
  readonly offset: number;
  /**
   * The keys and values of prefix tuning [P, layers, 2, Hkv, d], in a list of one tensor. The list is empty without
   * prefix tuning, or if there is a cache, which then contains the keys and values.
   */
  readonly prefix: readonly Tensor[];
  readonly #inputs: ModelInputs;
  readonly #causal: boolean;
  /** Number of virtual tokens before each sequence, including those that the cache contains. */
  readonly #count: number;
  /**
   * The embeddings of the virtual tokens. Null if there are none, if the cache contains them, or for prefix tuning,
   * whose virtual tokens are keys and values.
   */
  readonly #embeddings: Tensor | null;

  /**
   * `causal` is true if a token attends to earlier tokens only, default false. If the cache is empty, the constructor
   * also writes the keys and values of prefix tuning into it. Call the constructor in the scope of the forward pass.
   */
  constructor(inputs: ModelInputs, virtual: VirtualTokens | null, { causal = false }: { causal?: boolean } = {}) {
    checkInputs(inputs);
    const { inputIds, cache, taskIds = null, aloraOffsets } = inputs;
    setBatch({ inputIds, taskIds, aloraOffsets });
    const rows = virtual && !cache?.length ? virtual.rows({ size: inputIds.shape[0], taskIds }) : null;
    const isCache = virtual?.kind === "cache";
    this.#inputs = inputs;
    this.#causal = causal;
    this.#count = virtual?.count ?? 0;
    this.#embeddings = isCache ? null : rows;
    this.prefix = isCache && rows && !cache ? [rows] : [];
    if (isCache && rows && cache) {
      for (let layer = 0; layer < rows.shape[1]; layer++) {
        const [keys, values] = prefixOf(layer, rows, inputIds.shape[0]);
        cache.update(layer, keys, values);
      }
      cache.advance(this.#count);
    }
    this.offset = cache?.length ?? (isCache ? this.#count : 0);
  }

  /**
   * Returns the embeddings to run, [B, T, D] or [B, P + T, D]. If this pass begins the sequences, the embeddings of the
   * P virtual tokens are put before `x`.
   */
  embed(x: Tensor): Tensor {
    const rows = this.#embeddings;
    return rows ? cat([rows.ndim === 3 ? rows : expand(rows, [x.shape[0], ...rows.shape]), x], { dim: 1 }) : x;
  }

  /**
   * Returns the position of every token, i32 [B, T], or [B, P + T] if virtual tokens run in this pass; null if the
   * inputs have no `positionIds`. `positionIds` do not count virtual tokens, so the number of virtual tokens is added
   * to them.
   */
  positionIds(): Tensor | null {
    const { positionIds: given = null } = this.#inputs;
    if (!given || this.#count === 0) return given;
    const shifted = to(to(given, { dtype: "f32" }).add(this.#count), { dtype: "i32" });
    if (!this.#embeddings) return shifted;
    return cat([expand(arange(0, this.#count), [given.shape[0], this.#count]), shifted], { dim: 1 });
  }

  /**
   * Returns the result of `positionIds()` together with the largest position; null if the inputs have no `positionIds`.
   */
  positions(): GivenPositions | null {
    const ids = this.positionIds();
    const { maxPosition } = this.#inputs;
    return ids && { ids, largest: maxPosition === undefined ? null : maxPosition + this.#count };
  }

  /**
   * Returns the attention function of this batch, which masks padding. The function uses the cache if the inputs have
   * one. Otherwise it adds the keys and values of prefix tuning, which `rows` contains.
   */
  attend([rows]: readonly Tensor[] = this.prefix): Attend {
    const { cache } = this.#inputs;
    const causal = this.#causal;
    const mask = this.mask();
    return (layer, q, k, v, { reach, ...given }) => {
      const options = { ...given, causal, mask };
      if (cache) return cache.attend(layer, q, k, v, options);
      const [keys, values] = rows ? prefixOf(layer, rows, q.shape[0]) : [];
      const [allKeys, allValues] = keys ? [cat([keys, k], { dim: 1 }), cat([values!, v], { dim: 1 })] : [k, v];
      if (reach === undefined) return attention(q, allKeys, allValues, options);
      return attention(q, allKeys, allValues, { ...options, mask: within(reach, q.shape[1], allKeys.shape[1], mask) });
    };
  }

  /** Returns `rows` [B, T, W] with zeros at padding tokens. */
  unpadded(rows: Tensor): Tensor {
    const mask = this.mask();
    if (!mask) return rows;
    const [B, T] = rows.shape;
    return mul(rows, to(reshape(slice(mask, { dim: 3, start: -T }), [B, T, 1]), { dtype: "f32" }));
  }

  /**
   * Returns `count` tensors [B, T, W] with rows of earlier tokens. In tensor k, counted from 1, each token has the row
   * of the token k positions earlier, or zeros at the start of the sequence. The rows are from `rows` [B, T, W] or, for
   * tokens of earlier calls, from the cache of layer `layer`.
   */
  earlier(layer: number, rows: Tensor, count: number): Tensor[] {
    const { cache } = this.#inputs;
    if (cache) return cache.earlier(layer, rows, count);
    const [B, , W] = rows.shape;
    return earlierRows(cat([zeros([B, count, W], { backend: rows.storage.backend }), rows], { dim: 1 }), count);
  }

  /**
   * Returns the mask of keys that are not padding, u8 or bool [B, 1, 1, P + T]; undefined if no `attentionMask` was
   * given.
   */
  mask(): Tensor | undefined {
    const { attentionMask: mask } = this.#inputs;
    if (!mask) return undefined;
    const [batch] = mask.shape;
    const seen = this.#count === 0 ? mask : cat([ones([batch, this.#count], { dtype: mask.dtype }), mask], { dim: 1 });
    return reshape(seen, [batch, 1, 1, -1]);
  }
}

/**
 * Returns a mask, bool [B, 1, T, S]. It is true for keys that `mask` allows and that are at most `reach` positions from
 * the query. The T queries have the last T of the S positions.
 */
function within(reach: number, T: number, S: number, mask: Tensor | undefined): Tensor {
  const queries = reshape(arange(S - T, S, { dtype: "f32" }), [1, 1, T, 1]);
  const near = le(abs(sub(queries, arange(0, S, { dtype: "f32" }))), reach);
  return mask ? to(mul(to(near, { dtype: "f32" }), to(mask, { dtype: "f32" })), { dtype: "bool" }) : near;
}

/**
 * Returns the keys and values of one layer, each [B, P, Hkv, d], from the tensor of prefix tuning [P, layers, 2, Hkv,
 * d].
 */
function prefixOf(layer: number, rows: Tensor, batch: number): [keys: Tensor, values: Tensor] {
  const [count, , , heads, size] = rows.shape;
  const ofLayer = slice(rows, { dim: 1, start: layer, end: layer + 1 });
  const part = (which: number) => {
    const one = reshape(slice(ofLayer, { dim: 2, start: which, end: which + 1 }), [1, count, heads, size]);
    return expand(one, [batch, count, heads, size]);
  };
  return [part(0), part(1)];
}

const inputKeys: OptionKeys<LabelledInputs & LabelledSequences> = {
  ...({ inputIds: true, attentionMask: true, positionIds: true, maxPosition: true } as const),
  ...({
    tokenTypeIds: true,
    taskIds: true,
    aloraOffsets: true,
    inputTypeMask: true,
    cache: true,
    labels: true,
  } as const),
};

/** Throws for unknown names of inputs, and if the token ids do not have the shape [B, T]. */
export function checkInputs(inputs: {
  readonly inputIds: Tensor;
  readonly positionIds?: Tensor | null;
  readonly maxPosition?: number;
}): void {
  checkOptions("forward", inputs, inputKeys as OptionKeys<{ inputIds: Tensor }>);
  const { inputIds } = inputs;
  if (!(inputIds instanceof Tensor)) {
    const given = Array.isArray(inputIds) ? "a list" : String(inputIds);
    throw new Error(`forward: inputIds is ${given}; give a batch of token ids, tensor([ids], { dtype: "i32" })`);
  }
  const { positionIds, maxPosition } = inputs;
  if (maxPosition !== undefined && (!positionIds || !Number.isSafeInteger(maxPosition) || maxPosition < 0)) {
    const given = positionIds ? "" : " without positionIds";
    throw new Error(
      `forward: maxPosition is ${maxPosition}${given}; give the largest of positionIds, an integer from 0`,
    );
  }
  if (inputIds.ndim === 2) return;
  throw new Error(
    `forward: inputIds is ${formatShape(inputIds.shape)}, and a batch is [B, T]; for one sequence give tensor([ids], { dtype: "i32" }), or inputIds.reshape(1, -1)`,
  );
}
