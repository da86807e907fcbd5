import type { Tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import type { ParameterPath } from "../../model/parameters.ts";
import type { DecoderConfig } from "./config.ts";
import { LlamaAttention } from "./model.ts";
import type { RotaryAttention } from "./rotaryAttention.ts";
import type { LlamaTraits, MakePart } from "./traits.ts";

/** The elements that a norm of queries or keys normalises over: each head, or all heads together. */
type Together = "head" | "heads";

/** Llama's attention with a norm on queries and a norm on keys. */
class NormedAttention extends LlamaAttention {
  q_norm: UnaryModule;
  k_norm: UnaryModule;
  readonly #together: Together;

  constructor(path: ParameterPath, config: DecoderConfig, traits: LlamaTraits, together: Together) {
    super(path, config, traits);
    const { headDim, numAttentionHeads, numKeyValueHeads } = config;
    const size = (heads: number) => (together === "head" ? headDim : heads * headDim);
    this.q_norm = traits.norm(path.at("q_norm"), size(numAttentionHeads));
    this.k_norm = traits.norm(path.at("k_norm"), size(numKeyValueHeads));
    this.#together = together;
  }

  protected override project(x: Tensor): [Tensor, Tensor, Tensor] {
    const normed = (rows: Tensor, norm: UnaryModule) =>
      this.#together === "head" ? norm.forward(this.heads(rows)) : this.heads(norm.forward(rows));
    return [
      normed(this.q_proj.forward(x), this.q_norm),
      normed(this.k_proj.forward(x), this.k_norm),
      this.heads(this.v_proj.forward(x)),
    ];
  }
}

/** Returns a function that makes Llama's attention with a norm on queries and a norm on keys. */
export function normedAttention(together: Together): MakePart<RotaryAttention> {
  return (path, config, traits) => new NormedAttention(path, config, traits, together);
}
