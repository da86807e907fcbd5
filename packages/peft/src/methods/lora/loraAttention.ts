import { add, affine, matmul, OptionError, scope, type Tensor } from "@lowrank/core";
import type { Linear, MultiheadAttention, MultiheadAttentionCall, Parameter, UnaryModule } from "@lowrank/nn";
import { UnsupportedError } from "../../config/checks.ts";
import { type DenseLayer, type InnerLayer, type LayerAdapter, type LowRank, toF32 } from "../../layers/tunerLayer.ts";
import { drawn } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { rankAndScaling } from "./loraScaling.ts";
import { type LinearStart, linearStart } from "./loraStart.ts";

type Context = LayerContext<LoraConfig>;

/** Creates LoRA's adapter of a linear layer. */
type CreateLinear = (context: Context, start: LinearStart) => LayerAdapter;

/** Throws for layers and options that LoRA does not support on attention, as PEFT does. */
function checkAttention({ base, config, path }: Context): void {
  const { initLoraWeights: init, useDora, useBdlora, loraBias } = config;
  const leave = (named: (name: string) => string) => `leave ${path} out of ${named("targetModules")}`;
  if (!(base as unknown as MultiheadAttention).in_proj_weight) {
    throw new OptionError("", "targetModules", path, (named) => {
      return `${path} has keys or values of another size than embedDim, and LoRA adapts attention with one size; ${leave(named)}`;
    });
  }
  for (const [name, value] of Object.entries({ useDora, useBdlora, loraBias })) {
    if (!value) continue;
    throw new OptionError("", name, value, (named) => {
      return `${path} is a MultiheadAttention, which ${named(name)} does not support; ${leave(named)}`;
    });
  }
  if (typeof init === "string" && init !== "gaussian" && init !== "eva") {
    throw new OptionError("", "initLoraWeights", init, (named) => {
      return `${named("initLoraWeights")} "${init}" is not for attention, which takes true, false or "gaussian"; ${leave(named)}`;
    });
  }
}

/**
 * LoRA on the projections of queries, keys and values of attention: A [r, E], B [3 E, r]. The adapter of the output
 * projection is a layer inside, with the same rank and scaling. As in PEFT, dropout does not act on attention.
 */
class LoraAttention implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly inner: readonly InnerLayer[];
  scaling: number;
  readonly #path: string;

  constructor({ base, config, path, dtypeOf }: Context, start: LinearStart, inner: readonly InnerLayer[]) {
    const { embedDim } = base as unknown as MultiheadAttention;
    const { r, scaling } = rankAndScaling(config, path);
    this.parameters = {
      "lora_A.weight": drawn(start.a, [r, embedDim], dtypeOf("lora_A.weight")),
      "lora_B.weight": drawn(start.b, [3 * embedDim, r], dtypeOf("lora_B.weight")),
    };
    this.scaling = scaling;
    this.inner = inner;
    this.#path = path;
  }

  /** Throws: a batch whose rows use different adapters reads it, and PEFT refuses such batches on attention. */
  get lowRank(): LowRank | undefined {
    throw new UnsupportedError(
      "not_together",
      `${this.#path} is a MultiheadAttention, and its adapters cannot be chosen by row; call setAdapter for each adapter instead of withAdapterNames`,
    );
  }

  #merged(weight: Tensor): Tensor {
    const { "lora_A.weight": a, "lora_B.weight": b } = this.parameters;
    return add(weight, affine(matmul(toF32(b), toF32(a)), { scale: this.scaling }));
  }

  /** Returns the output and the attention weights, as `MultiheadAttention` does. */
  forward(query: Tensor, base: UnaryModule, ...rest: never[]): Tensor {
    const attention = base as unknown as MultiheadAttention;
    const { in_proj_weight: weight } = attention;
    if (Object.hasOwn(base, "isExact")) {
      throw new UnsupportedError(
        "not_together",
        `${this.#path} is a MultiheadAttention, on which a PeftMixedModel can have one active adapter; activate one of them`,
      );
    }
    const [key, value, options] = rest as unknown as [Tensor, Tensor, MultiheadAttentionCall?];
    return scope(() =>
      attention.forwardWith(this.#merged(toF32(weight!)), query, key, value, options),
    ) as unknown as Tensor;
  }

  merge({ weight, ...others }: DenseLayer): DenseLayer {
    return { weight: this.#merged(weight), ...others };
  }
}

/** Returns LoRA's adapter of attention. Throws for layers and options that PEFT does not support there. */
export async function loraAttention(context: Context, createLinear: CreateLinear): Promise<LayerAdapter> {
  checkAttention(context);
  const { base, config, path, dtypeOf, warn } = context;
  const projection = (base as unknown as MultiheadAttention).out_proj as Linear | { wrapped: Linear };
  const linear = "wrapped" in projection ? projection.wrapped : projection;
  const doubled =
    "PEFT 0.21.2 adds LoRA's update of out_proj twice in a MultiheadAttention; for its outputs, double lora_B of out_proj";
  warn({ code: "differs-in-peft", message: doubled });
  if (config.loraDropout > 0) {
    const message = `${path}: loraDropout does not act on attention, as in PEFT`;
    warn({ code: "unused-field", message });
  }
  const within = "base_layer.out_proj";
  const own = { ...context, base: linear, kind: "linear", config: config.with({ loraDropout: 0 }) } as const;
  const start = await linearStart(own);
  const layer = createLinear({ ...own, dtypeOf: (key) => dtypeOf(`${within}.${key}`) }, start);
  return new LoraAttention(context, start, [{ path: `${path}.${within}`, base: linear, layer }]);
}
