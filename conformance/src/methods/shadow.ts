import type { ShadowOptions } from "@lowrank/peft";
import type { Draw } from "../draw.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";
import type { RandomBase } from "../randomBases.ts";

/** Model types whose experts are one tensor in PEFT's files, which Lowrank refuses. */
const fused = ["mixtral", "qwen2_moe"];

/** Returns the value of the first of several fields that a config has. */
const field = ({ config }: RandomBase, ...names: string[]): number =>
  Number(config[names.find((name) => name in config) ?? ""]);

/** Returns true if PEFT can build a mirror with this number of blocks. */
function isMirrored({ config }: RandomBase, blocks: number): boolean {
  // Transformers needs an attention layer among the mirror's blocks, and a setting for each block.
  if (config.model_type === "lfm2") return (config.layer_types as string[]).slice(0, blocks).includes("full_attention");
  // Lowrank's last layer of a Gemma 4 has full attention, as in transformers unless PEFT cuts the layers.
  if (config.model_type === "gemma4_text") {
    // PEFT fails if a mirror has only layers that reuse keys of other layers.
    if (Number(config.num_kv_shared_layers ?? 0) >= blocks) return false;
    return (
      (config.layer_types as string[])[Math.min(blocks, config.num_hidden_layers as number) - 1] === "full_attention"
    );
  }
  return config.model_type !== "smollm3" || blocks <= (config.num_hidden_layers as number);
}

/** Sizes of a mirror that fit its heads. The size of a head is a multiple of 8, for partial rotary embeddings. */
function drawSizes(draw: Draw, base: RandomBase): ShadowOptions {
  const heads = field(base, "num_attention_heads", "n_head");
  const keyHeads = field(base, "num_key_value_heads", "num_attention_heads", "n_head");
  const shadowNumAttentionHeads = draw.chance(0.4) ? keyHeads * draw.integer(1, 3) : null;
  return {
    shadowHiddenSize: 8 * (shadowNumAttentionHeads ?? heads) * draw.integer(1, 2),
    ...(shadowNumAttentionHeads !== null && { shadowNumAttentionHeads }),
  };
}

/** Consecutive blocks, by name, by expression or by exclusion. Default: all. */
function drawBlocks(draw: Draw, { layers, layersPattern }: RandomBase): ShadowOptions {
  const first = draw.integer(0, layers - 1);
  const all = Array.from({ length: draw.integer(1, layers - first) }, (_, i) => first + i);
  const others = Array.from({ length: layers }, (_, i) => i).filter((i) => !all.includes(i));
  const name = layersPattern.split(".").at(-1);
  return draw.pick<ShadowOptions>([
    {},
    { targetModules: all.map(String) },
    { targetModules: all.map((i) => `${name}.${i}`) },
    { targetModules: `.*\\.${name}\\.(${all.join("|")})` },
    others.length > 0 ? { excludeModules: others.map((i) => `${name}.${i}`) } : {},
  ]);
}

/** Shadow with mirrors of any size, on decoders. It cannot be merged. */
export const shadow: MethodCases<ShadowOptions> = defineCases({
  draw(draw, base) {
    const { config, kind, task } = base;
    // Layers of Gemma 4 with own embeddings look up token ids, for which PEFT's mirror needs its own table.
    const readsIds = Number(config.hidden_size_per_layer_input ?? 0) > 0;
    if (kind !== "decoder" || fused.includes(config.model_type)) return null;
    const shadowNumHiddenLayers = draw.chance(0.4) ? draw.integer(1, 3) : null;
    if (!isMirrored(base, shadowNumHiddenLayers ?? 1)) return null;
    return {
      ...draw.maybe(0.7, () => ({ r: draw.integer(1, 6) })),
      ...draw.maybe(0.6, () => ({ shadowAlpha: draw.pick([0.5, 1, 2]) })),
      ...draw.maybe(0.3, () => ({ shadowDropout: draw.pick([0, 0.5]) })),
      ...draw.maybe(0.4, () => ({ initWeights: false })),
      ...(shadowNumHiddenLayers !== null && { shadowNumHiddenLayers }),
      ...draw.maybe(0.5, () => drawSizes(draw, base)),
      ...draw.maybe(0.3, () => ({ shadowIntermediateSize: 8 * draw.integer(1, 3) })),
      ...draw.maybe(readsIds ? 1 : 0.3, () => ({ shareEmbeddings: false })),
      ...draw.maybe(0.4, () => ({ updateHiddenSize: draw.integer(1, 9) })),
      ...draw.maybe(0.5, () => ({ auxiliaryLossWeight: draw.pick([0, 0.3, 1]) })),
      ...draw.maybe(0.6, () => drawBlocks(draw, base)),
      ...draw.maybe(task === "CAUSAL_LM" && !base.tied && !base.renamedHead ? 0.3 : 0, () => ({
        modulesToSave: ["lm_head"],
      })),
    };
  },
  merges: () => false,
});
