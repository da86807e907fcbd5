import { checkOptions, embedding, type Generator, randn, type Tensor, tensor, where, widen } from "@lowrank/core";
import { Module } from "../module/module.ts";
import { expectParameter, Parameter } from "../module/parameter.ts";
import { expectSizes } from "./expectSizes.ts";
import { stopAtPadding } from "./stopAtPadding.ts";

/** Options of a fresh `Embedding`. */
export interface EmbeddingOptions {
  /** The id of padding: its row is zero and does not train. Below 0: from the end. Default null. */
  paddingIdx?: number | null;
  /** Draws the weights. Default: the one that `manualSeed` seeds. */
  generator?: Generator;
}

/** Returns the row of a padding id among `rows`; null if there is none. Throws for other rows. */
function paddingRow(id: number | null | undefined, rows: number): number | null {
  if (id === null || id === undefined) return null;
  if (Number.isInteger(id) && id >= -rows && id < rows) return id < 0 ? id + rows : id;
  throw new Error(`Embedding: paddingIdx is ${id}; it must be the id of one of ${rows} rows`);
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

/** Rows of `weight` [vocabulary, dim] by id: i32 ids [...] to [..., dim]. */
export class Embedding extends Module {
  weight: Parameter;
  /** The id of padding: looking its row up does not train it. Null: all rows train. */
  readonly paddingIdx: number | null;

  /** A layer of given rows. */
  constructor(weight: Parameter, options?: Omit<EmbeddingOptions, "generator">);
  /** A fresh layer with PyTorch's initialisation, from N(0, 1); the row of padding is zero. */
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
