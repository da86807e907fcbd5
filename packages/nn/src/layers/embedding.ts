import { checkOptions, embedding, type Generator, randn, type Tensor, widen } from "@lowrank/core";
import { Module } from "../module.ts";
import { expectParameter, Parameter } from "../parameter.ts";
import { stopAtPadding } from "./stopAtPadding.ts";

/** Rows of `weight` [vocabulary, dim] by id: i32 ids [...] to [..., dim]. */
export class Embedding extends Module {
  weight: Parameter;
  /** The id of padding: looking its row up does not train it. Null: all rows train. */
  readonly paddingIdx: number | null;

  constructor(weight: Parameter, options: { paddingIdx?: number | null } = {}) {
    expectParameter("Embedding", "weight", weight, "Embedding.create(vocabulary, width)");
    checkOptions("Embedding", options, { paddingIdx: true });
    super();
    this.weight = weight;
    this.paddingIdx = options.paddingIdx ?? null;
  }

  /** PyTorch's initialisation, from N(0, 1); without a generator, that of `manualSeed` draws. */
  static create(rows: number, dim: number, options: { generator?: Generator } = {}): Embedding {
    checkOptions("Embedding", options, { generator: true });
    const { generator } = options;
    using values = randn([rows, dim], { generator });
    return new Embedding(new Parameter(values));
  }

  override get layerKind(): "embedding" {
    return "embedding";
  }

  forward(ids: Tensor): Tensor {
    const rows = widen(embedding(this.weight, ids));
    return stopAtPadding(rows, ids.reshape([...ids.shape, 1]), this.paddingIdx);
  }
}
