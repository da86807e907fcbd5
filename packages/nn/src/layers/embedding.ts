import { embedding, type Generator, randn, type Tensor, widen } from "@lowrank/core";
import { Module } from "../module.ts";
import { Parameter } from "../parameter.ts";
import { stopAtPadding } from "./stopAtPadding.ts";

/** Rows of `weight` [vocabulary, dim] by id: i32 ids [...] to [..., dim]. */
export class Embedding extends Module {
  weight: Parameter;
  /** The id of padding: looking its row up does not train it. Null: all rows train. */
  readonly paddingIdx: number | null;

  constructor(weight: Parameter, { paddingIdx = null }: { paddingIdx?: number | null } = {}) {
    super();
    this.weight = weight;
    this.paddingIdx = paddingIdx;
  }

  /** PyTorch's initialisation, from N(0, 1); without a generator, that of `manualSeed` draws. */
  static create(rows: number, dim: number, { generator }: { generator?: Generator } = {}): Embedding {
    using values = randn([rows, dim], { generator });
    return new Embedding(new Parameter(values));
  }

  forward(ids: Tensor): Tensor {
    const rows = widen(embedding(this.weight, ids));
    return stopAtPadding(rows, ids.reshape([...ids.shape, 1]), this.paddingIdx);
  }
}
