import type { BeftOptions } from "@lowrank/peft";
import { defaultPaths, drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";
import type { RandomBase } from "../randomBases.ts";

/** The encoders whose linear layers all have biases. */
const biasedEncoders = ["bert", "roberta", "xlm-roberta", "distilbert", "deberta-v2"];

/** Returns true if the layer at `path` in a block is known to have a bias. */
function hasBias({ config }: RandomBase, path: string): boolean {
  const type = config.model_type;
  if (biasedEncoders.includes(type)) return true;
  const name = path.slice(path.lastIndexOf(".") + 1);
  const projects = ["q_proj", "k_proj", "v_proj"].includes(name);
  if (type === "qwen2") return projects;
  if (type === "stablelm") return projects && config.use_qkv_bias === true;
  if (!["llama", "qwen3", "smollm3"].includes(type)) return false;
  return path.startsWith("self_attn.") ? config.attention_bias === true : type === "llama" && config.mlp_bias === true;
}

/** Returns the paths in a block that may be targeted. */
function targeted({ targetModules }: BeftOptions, base: RandomBase): readonly string[] {
  const all = Object.keys(base.linears);
  if (targetModules === undefined || targetModules === null) return defaultPaths(base, "BEFT") ?? all;
  if (targetModules === "all-linear") return all;
  if (typeof targetModules === "string") return all.filter((path) => new RegExp(`^${targetModules}$`).test(`.${path}`));
  return all.filter((path) => targetModules.some((name) => path === name || path.endsWith(`.${name}`)));
}

/** BEFT, which PEFT merges only into layers with a bias. */
export const beft: MethodCases<BeftOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const defaults = defaultPaths(base, "BEFT");
    const { options, paths } = drawTargets(draw, base, { defaults, layers: false, exclude: false });
    // Gemma 4 normalises queries and keys, and does not scale scores. If a bias takes a query near zero, the norm
    // amplifies rounding: PEFT's float32 gradients then differ from its float64 gradients by nearly the tolerance.
    if (base.config.model_type === "gemma4_text" && paths.some((path) => /\.[qk]_proj$/.test(path))) return null;
    return {
      ...options,
      ...draw.maybe(0.3, () => ({ initWeights: false })),
    };
  },
  merges: (options, base) => targeted(options, base).every((path) => hasBias(base, path)),
  warnings: [/^Detected that the base layer has no bias term/],
});
