import { attention, expand, mul, OptionError, randn, reshape, scope, split, type Tensor, zeros } from "@lowrank/core";
import { type Attend, Conv1D, Linear, type Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { checkInteger, refuse, setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions } from "../../config/peftConfig.ts";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import { defaultsOn } from "../../targets/matchTargets.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";

/** Options of `AdaptionPromptConfig`. */
export interface AdaptionPromptOptions extends Pick<PeftOptions, "taskType" | "baseModelNameOrPath" | "revision"> {
  /** Name of the attention modules. Default: the name for the model's `model_type`. */
  targetModules?: string | null;
  /** Number of trained prompt vectors that each adapted layer attends to in addition to its tokens. */
  adapterLen: number;
  /** Number of adapted layers, counted from the last. */
  adapterLayers: number;
}

const adaptionPromptFormat: ConfigFormat = {
  classic: ["task_type", "base_model_name_or_path", "revision", "target_modules", "adapter_len", "adapter_layers"],
  floats: [],
  refused: {},
  ignored: {},
};

/** Configuration of LLaMA-Adapter (Zhang et al. 2023, https://arxiv.org/abs/2303.16199). */
export class AdaptionPromptConfig extends PeftConfig {
  /**
   * Number of prompt vectors. This field and `adapterLayers` are null only in a configuration that the library itself
   * creates to look up default values.
   */
  readonly adapterLen: number | null = null;
  readonly adapterLayers: number | null = null;

  constructor(options: AdaptionPromptOptions) {
    super("ADAPTION_PROMPT", options);
    setOptions(this, options, adaptionPromptFormat);
    for (const key of ["adapterLen", "adapterLayers"] as const) {
      if (this[key] !== null) checkInteger(this, key, this[key]);
    }
    if (this.targetModules !== null && typeof this.targetModules !== "string") {
      refuse(this, "targetModules", this.targetModules, 'one name: "self_attn"');
    }
    for (const key of ["modulesToSave", "excludeModules"] as const) {
      if (this[key] !== null) refuse(this, key, this[key], "left out: PEFT's adaption prompts do not support it");
    }
  }
}

/** Names of attention modules, by `model_type`, as in PEFT. */
const attentionNames: Readonly<Record<string, readonly string[]>> = {
  llama: ["self_attn"],
  mistral: ["self_attn"],
  gpt2: ["attn"],
};

function refused(option: string, value: unknown, problem: string): OptionError {
  return new OptionError("AdaptionPromptConfig", option, value, problem);
}

/** Returns the paths of the attention modules in the last `adapterLayers` layers. */
function upperAttention({ targetModules, adapterLen, adapterLayers }: AdaptionPromptConfig, model: Module): string[] {
  const [name, count] = [targetModules as string, adapterLayers];
  if (adapterLen === null)
    throw refused("adapterLen", null, "is not set; give the number of prompt tokens to train in each layer");
  if (count === null)
    throw refused(
      "adapterLayers",
      null,
      "is not set; give the number of layers, counted from the last, that get prompt tokens",
    );
  const paths = [...model.namedModules()].map(([path]) => path).filter((path) => path.endsWith(`.${name}`));
  if (paths.length < count) {
    const found = `the model has ${paths.length} layers ${name}; it takes attention modules at paths that end in .${name}`;
    throw refused("adapterLayers", count, `is ${count}, but ${found}`);
  }
  return paths.slice(-count);
}

type Projections = Module & Partial<Record<"k_proj" | "v_proj" | "o_proj" | "c_attn", UnaryModule>>;

/**
 * Trained prompt vectors that an attention layer attends to in addition to its tokens. A gate that starts at zero
 * scales the result.
 */
class AdaptionPrompt implements LayerAdapter {
  readonly unmergeable = "it adds trained rows to the attention";
  readonly parameters: { adaption_prompt: Parameter; adaption_gate: Parameter };

  constructor({ base, path, config, generator }: LayerContext<AdaptionPromptConfig>) {
    const { k_proj, v_proj, o_proj, c_attn } = base as Projections;
    const input = c_attn ?? (v_proj && o_proj && k_proj);
    if (!(input instanceof Linear || input instanceof Conv1D)) {
      throw new Error(`${path} is a ${base.constructor.name} without k_proj, v_proj and o_proj, or c_attn`);
    }
    const { backend } = input.weight.storage;
    using prompt = randn([1, config.adapterLen as number, input.inFeatures], { generator, backend });
    using gate = zeros([1], { backend });
    this.parameters = { adaption_prompt: new Parameter(prompt), adaption_gate: new Parameter(gate) };
  }

  forward(x: Tensor, base: UnaryModule, layer: number, attend: Attend, ...rest: unknown[]): Tensor {
    const attentionLayer = base as unknown as {
      forward(x: Tensor, layer: number, attend: Attend, ...rest: unknown[]): Tensor;
    };
    return scope(() => {
      let attended: Tensor | undefined;
      const y = attentionLayer.forward(
        x,
        layer,
        (index, q, k, v, options) => {
          attended = this.#attend(base as Projections, q);
          return attend(index, q, k, v, options);
        },
        ...rest,
      );
      if (!attended)
        throw new Error(`${base.constructor.name}.forward did not call the attention function that it was given`);
      const gated = mul(attended, this.parameters.adaption_gate);
      // For GPT-2, PEFT adds the attention to the prompt after the output projection.
      return y.add((base as Projections).o_proj?.forward(gated) ?? gated);
    });
  }

  /** Attends from queries q [B, T, H, d] to the prompt vectors, without positional encoding. Returns [B, T, D]. */
  #attend({ k_proj, v_proj, c_attn }: Projections, q: Tensor): Tensor {
    const { adaption_prompt: prompt } = this.parameters;
    const [B, T, H, d] = q.shape;
    const rows =
      c_attn !== undefined
        ? split(c_attn.forward(prompt), H * d, { dim: -1 }).slice(1)
        : [k_proj, v_proj].map((projection) => projection!.forward(prompt));
    const [keys, values] = rows.map((row) => {
      const heads = reshape(row, [1, prompt.shape[1], -1, d]);
      return expand(heads, [B, ...heads.shape.slice(1)]);
    });
    return reshape(attention(q, keys, values, { scale: d ** -0.5 }), [B, T, H * d]);
  }
}

/**
 * LLaMA-Adapter: trained prompt vectors that the last layers attend to, scaled by a gate. Zhang et al. 2023,
 * https://arxiv.org/abs/2303.16199
 */
export const adaptionPrompt: PeftMethod<AdaptionPromptConfig> = definePeftMethod({
  peftType: "ADAPTION_PROMPT",
  sizes: ["adapterLen"],
  Config: AdaptionPromptConfig,
  format: adaptionPromptFormat,
  recipes: [
    {
      name: "adaption-prompt",
      title: "adaption prompts",
      learningRate: 1e-1,
      sizeOption: "adapter-len",
      config: () => new AdaptionPromptConfig({ adapterLen: 10, adapterLayers: 2 }),
    },
  ],
  options: [
    {
      field: "adapterLen",
      flag: "adapter-len",
      type: "integer",
      least: 1,
      help: "rows that are attended to besides the tokens",
    },
    {
      field: "adapterLayers",
      flag: "adapter-layers",
      type: "integer",
      least: 1,
      help: "layers that have them, counted from the top",
    },
  ],
  kinds: ["attention"],
  defaultTargets: attentionNames,
  resolve: (config, _modelType, model) => {
    if (config.targetModules !== null) return config;
    const [name] = defaultsOn(model, { kinds: ["attention"], defaultTargets: attentionNames }) ?? [];
    if (name !== undefined) return config.with({ targetModules: name });
    const known = Object.keys(attentionNames).join(", ");
    const problem = `is not set, and only ${known} models have a default; name the attention modules`;
    throw refused("targetModules", null, problem);
  },
  // In PEFT, this method does not train heads, and its tensors have the dtype of the projections.
  trainsHeads: false,
  followsBaseDtype: true,
  targets: upperAttention,
  createLayer: (context) => new AdaptionPrompt(context),
});
