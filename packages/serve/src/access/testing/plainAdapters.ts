import { writeSafetensors } from "@lowrank/core";

const config = JSON.stringify({ peft_type: "LORA", r: 1, lora_alpha: 1, target_modules: ["q_proj"] });

const made = new Map<number, Map<string, Uint8Array | string>>();

/** Returns the files of a small adapter. The same seed gives equal files, and another seed other files. */
export function plainAdapter(seed: number): ReadonlyMap<string, Uint8Array | string> {
  const known = made.get(seed);
  if (known) return known;
  const tensors = ["lora_A", "lora_B"].map((part, i) => ({
    name: `base_model.model.q_proj.${part}.weight`,
    dtype: "F32" as const,
    shape: i === 0 ? [1, 2] : [2, 1],
    bytes: Float32Array.of(seed, i),
  }));
  const files = new Map<string, Uint8Array | string>([
    ["adapter_config.json", config],
    ["adapter_model.safetensors", writeSafetensors(tensors)],
  ]);
  made.set(seed, files);
  return files;
}
