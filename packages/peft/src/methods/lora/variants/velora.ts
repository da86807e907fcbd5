import {
  add,
  checkpoint,
  copyInto,
  div,
  eq,
  gt,
  isGradEnabled,
  matmul,
  mean,
  mul,
  noGrad,
  ones,
  pad,
  scope,
  sqrt,
  sub,
  sum,
  type Tensor,
  where,
  zeros,
} from "@lowrank/core";
import { type Linear, ModuleBuffer } from "@lowrank/nn";
import type { LowRank } from "../../../layers/tunerLayer.ts";
import { draws } from "../../shared/draws.ts";
import type { LayerContext } from "../../shared/method.ts";
import type { LoraConfig, VeloraConfig } from "../loraConfig.ts";
import type { LinearStart } from "../loraStart.ts";
import { VariantLinear } from "./variantLinear.ts";

/** Returns `direction` divided by its length. A direction of zeros counts as one of ones. */
function normalized(direction: Tensor): Tensor {
  const squares = sum(mul(direction, direction));
  const nonzero = add(direction, eq(squares, 0).to("f32"));
  return div(nonzero, sqrt(sum(mul(nonzero, nonzero))));
}

/**
 * VeLoRA on a linear layer: LoRA whose gradient of A comes from compressed inputs. An input is cut into groups; only
 * the length of each group along one direction is kept for the backward pass. Miles et al. 2024,
 * https://arxiv.org/abs/2405.17991
 */
export class VeloraLinear extends VariantLinear {
  /** The direction, [inputs of a group]. */
  readonly buffers: { readonly lora_velora_embed: Tensor };
  /** The buffer of `#isSet`. */
  readonly constants?: readonly Tensor[];
  readonly #options: VeloraConfig;
  readonly #inFeatures: number;
  /**
   * 1 after the first batch of training, else 0. Null unless that batch alone sets the direction. Files lack it, as in
   * PEFT.
   */
  readonly #isSet: ModuleBuffer | null;

  constructor(context: LayerContext<LoraConfig>, start: LinearStart) {
    super(context, start, "lora_velora");
    const { backend, base, config, loading } = context;
    this.#options = config.veloraConfig!;
    this.#inFeatures = (base as Linear).inFeatures;
    const size = [Math.ceil(this.#inFeatures / this.#options.numGroups)];
    const random = this.#options.initType === "random" && !loading;
    using direction = random ? scope(() => normalized(draws(context).normal(1)(size))) : zeros(size, { backend });
    const stored = new ModuleBuffer(direction);
    this.buffers = { lora_velora_embed: stored };
    this.modules.lora_velora_embed = stored;
    this.#isSet = null;
    if (this.#options.initType !== "batch_average_once") return;
    using unset = zeros([], { backend });
    this.#isSet = new ModuleBuffer(unset);
    this.modules.lora_velora_initialized = this.#isSet;
    this.constants = [this.#isSet];
  }

  get lowRank(): LowRank | undefined {
    return this.plainProduct;
  }

  /** Returns inputs [..., in] as groups [tokens · groups, inputs of a group]. The last group is filled with zeros. */
  #groups(x: Tensor): Tensor {
    const width = this.buffers.lora_velora_embed.shape[0];
    const rows = x.reshape([-1, this.#inFeatures]);
    const missing = this.#options.numGroups * width - this.#inFeatures;
    const padded = missing > 0 ? pad(rows, [0, missing]) : rows;
    return padded.reshape([-1, width]);
  }

  /** Returns the direction for a batch of groups. Stores it, if the batch sets it. */
  #directionOf(groups: Tensor): Tensor {
    const { initType } = this.#options;
    const { lora_velora_embed: stored } = this.buffers;
    if (initType === "random") return stored;
    const next = normalized(mean(groups, { dim: 0 }));
    const direction = this.#isSet ? where(gt(this.#isSet, 0), stored, next) : next;
    copyInto(stored, direction);
    if (this.#isSet) copyInto(this.#isSet, ones([], { backend: stored.storage.backend }));
    return direction;
  }

  protected low(x: Tensor): Tensor {
    const { a } = this;
    if (!this.training || !isGradEnabled()) return matmul(x, a, { transposeB: true });
    const { numGroups, scale } = this.#options;
    const [lengths, direction] = noGrad(() => {
      const groups = this.#groups(x.detach());
      const found = this.#directionOf(groups);
      return [matmul(groups, found.reshape([-1, 1])).reshape([-1, numGroups, 1]), found.reshape([1, 1, -1])] as const;
    });
    // The inputs that the lengths give are computed again in the backward pass, so that only the lengths are stored.
    const ofCompressed = checkpoint((kept: Tensor, along: Tensor, factor: Tensor) => {
      const inputs = mul(mul(kept, along).reshape([kept.shape[0], -1]), scale).slice(null, [0, this.#inFeatures]);
      return matmul(inputs, factor, { transposeB: true });
    });
    const compressed = ofCompressed(lengths, direction, a);
    // The difference is zero. It gives A the gradient of the compressed inputs.
    const zero = sub(compressed, compressed.detach());
    const exact = matmul(x, a.detach(), { transposeB: true });
    return add(exact, zero.reshape(exact.shape));
  }
}
