import { embedding, eq, type Generator, isGradEnabled, randn, type Tensor, tensor, where } from "@lowrank/core";
import { checkOptions, widen } from "@lowrank/core/internal";
import { Module } from "../module/module.ts";
import { expectParameter, Parameter } from "../module/parameter.ts";
import { expectSizes } from "./layerSizes.ts";

/** Options of a fresh `Embedding`. */
export interface EmbeddingOptions {
  /**
   * Id of the padding token. Its row is zero and is not trained. A negative id counts from the end. Default null: no
   * padding.
   */
  paddingIdx?: number | null;
  /** The generator of the weights. Default: the generator that `manualSeed` seeds. */
  generator?: Generator;
}

/** Returns `id` as a row index from 0 to rows - 1, or null if it is not given. Throws for an id out of range. */
function paddingRow(id: number | null | undefined, rows: number): number | null {
  if (id === null || id === undefined) return null;
  if (Number.isInteger(id) && id >= -rows && id < rows) return id < 0 ? id + rows : id;
  throw new Error(`Embedding: paddingIdx is ${id}; it must be the index of a row, from ${-rows} to ${rows - 1}`);
}

function drawn(rows: number, dim: number, padding: number | null, generator?: Generator): Parameter {
  using values = randn([rows, dim], { generator });
  if (padding === null) return new Parameter(values);
  using isPadding = tensor(
    Uint8Array.from({ length: rows }, (_, row) => Number(row === padding)),
    { shape: [rows, 1], dtype: "bool" },
  );
  using cleared = where(isPadding, 0, values);
  return new Parameter(cleared);
}

/** Looks up rows of `weight` [vocabulary, dim] by id: maps i32 ids [...] to [..., dim]. */
export class Embedding extends Module {
  weight: Parameter;
  /** Id of the padding token, whose row gets no gradient from lookups. Null: all rows train. */
  readonly paddingIdx: number | null;

  /** Creates a layer from an existing table `weight` [vocabulary, dim]. */
  constructor(weight: Parameter, options?: Omit<EmbeddingOptions, "generator">);
  /** Creates a fresh layer with PyTorch's initialisation, N(0, 1). The padding token's row is zero. */
  constructor(numEmbeddings: number, embeddingDim: number, options?: EmbeddingOptions);
  constructor(
    first: Parameter | number,
    second: number | Omit<EmbeddingOptions, "generator"> = {},
    third: EmbeddingOptions = {},
  ) {
    super();
    if (typeof first === "number") {
      const example = "new Embedding(65, 64)";
      expectSizes("Embedding", [first, second], example);
      checkOptions("Embedding", third, { paddingIdx: true, generator: true });
      this.paddingIdx = paddingRow(third.paddingIdx, first);
      this.weight = drawn(first, second as number, this.paddingIdx, third.generator);
      return;
    }
    expectParameter("Embedding", "weight", first, "new Embedding(65, 64), or new Embedding(weight) with a Parameter");
    const options = second as Omit<EmbeddingOptions, "generator">;
    checkOptions("Embedding", options, { paddingIdx: true });
    this.weight = first;
    this.paddingIdx = options.paddingIdx ?? null;
  }

  override get layerKind(): "embedding" {
    return "embedding";
  }

  forward(ids: Tensor): Tensor {
    const rows = widen(embedding(this.weight, ids));
    return stopAtPadding(rows, ids.reshape([...ids.shape, 1]), this.paddingIdx);
  }
}

/**
 * Returns `found` (rows that were looked up in a table) with gradients blocked where the id is `paddingIdx`, like
 * PyTorch's `padding_idx`. `ids` must broadcast to the shape of `found`. Other uses of the same table, such as a tied
 * output layer, still train the padding row.
 */
export function stopAtPadding(found: Tensor, ids: Tensor, paddingIdx: number | null): Tensor {
  if (paddingIdx === null || !found.requiresGrad || !isGradEnabled()) return found;
  const isPadding = eq(ids, tensor(paddingIdx, { dtype: "i32", backend: ids.storage.backend }));
  return where(isPadding, found.detach(), found);
}
