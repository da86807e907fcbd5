import { join } from "node:path";
import type { XLoraOptions } from "@lowrank/peft";
import { peftConfig } from "../adapterCase.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";
import { xloraMixture } from "../xloraExperts.ts";

/** Options of X-LoRA, with the options of its experts in PEFT's spelling instead of their files. */
interface DrawnMixture extends Omit<XLoraOptions, "adapters"> {
  adapters: Record<string, object>;
}

/** Architectures whose linear layers PEFT loads experts for: the layers of a module `model`. */
const architectures = ["llama", "mistral", "qwen2", "qwen3", "smollm3", "granite", "olmo2", "phi3", "stablelm"];

/** X-LoRA over random LoRA adapters, in both directions. */
export const xlora: MethodCases<DrawnMixture> = defineCases({
  draw(draw, base) {
    if (base.task !== "CAUSAL_LM" || !architectures.includes(base.config.model_type)) return null;
    const names = Object.keys(base.linears).map((path) => path.slice(path.lastIndexOf(".") + 1));
    const experts = Array.from({ length: draw.integer(1, 4) }, () => ({
      r: draw.integer(1, 6),
      lora_alpha: draw.integer(1, 8),
      target_modules: [...draw.some(names), ...(draw.chance(0.2) && !base.tied ? [base.embedding] : [])],
      ...draw.maybe(0.3, () => ({ use_rslora: true })),
    }));
    const depth = draw.integer(1, 3);
    return {
      adapters: Object.fromEntries(experts.entries()),
      hiddenSize: base.config.hidden_size as number,
      ...(depth > 1 && { xloraDepth: depth, xloraSize: draw.integer(3, 12) }),
      ...draw.maybe(0.3, () => ({ xloraDropoutP: 0 })),
      ...draw.maybe(0.5, () => ({ layerwiseScalings: true })),
      ...draw.maybe(0.3, () => ({ enableSoftmax: false })),
      ...draw.maybe(0.4, () => ({ softmaxTemperature: draw.pick([0.5, 2]) })),
      ...draw.maybe(0.4, () => ({ topKLora: draw.integer(1, experts.length) })),
      ...draw.maybe(0.3, () => ({ enableSoftmaxTopk: true })),
      ...draw.maybe(0.4, () => ({ scalingPassValue: draw.pick([0.3, -0.2, 1]) })),
      ...draw.maybe(0.3, () => ({ globalScalingWeight: draw.pick([0.5, 1.5]) })),
      ...draw.maybe(0.3, () => ({ useTrainableAdapters: true })),
    };
  },
  merges: () => false,
  async own(adapter, { python, base, batch, folder }) {
    const { peft_type: _, task_type: __, adapters: ___, ...config } = peftConfig(adapter);
    const experts = Object.values((adapter.options as DrawnMixture).adapters) as Record<string, unknown>[];
    return xloraMixture(python, { base, batch, experts, config, seed: experts.length, out: join(folder, "mixture") });
  },
});
