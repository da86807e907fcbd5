import { join } from "node:path";
import { bytesSource, Generator, openSafetensors, writeSafetensors } from "@lowrank/core";
import { writeFolder } from "@lowrank/files";
import type { CausalLM } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";

/** Parameters of the adapters to write. */
export interface RandomAdapterOptions {
  readonly count: number;
  /** The rank of adapter i. */
  readonly rank: (i: number) => number;
}

const weightsName = "adapter_model.safetensors";
const configName = "adapter_config.json";

/**
 * Returns a pool of f16 values with random signs and magnitudes from 2^-6 to 2^-5. Adapters are slices of this pool,
 * since new random values for each would take longer than the measurement.
 */
function randomHalves(count: number): Uint16Array {
  const words = new Int32Array(count);
  new Generator(1).fillInt(words, 0, 2 ** 11);
  return Uint16Array.from(words, (word) => ((word & 1) << 15) | (9 << 10) | (word >> 1));
}

const pool = 1 << 20;

/**
 * Writes LoRA adapters on all linear layers of a model in PEFT's format, in f16, one folder each. Returns the folder
 * names. The model does not change.
 */
export async function writeRandomAdapters(
  folder: string,
  model: CausalLM,
  { count, rank }: RandomAdapterOptions,
): Promise<string[]> {
  const config = new LoraConfig({ r: 1, loraAlpha: 2, targetModules: "all-linear", taskType: "CAUSAL_LM" });
  const peft = await getPeftModel(model, config);
  const files = await peft.adapterFiles();
  peft.unload();
  const json = JSON.parse(files.get(configName) as string);
  const weights = await openSafetensors(bytesSource(files.get(weightsName) as Uint8Array), weightsName);
  const shapes = weights.names().map((name) => ({ name, shape: weights.info(name).shape }));
  const largest = Math.max(...shapes.map(({ shape }) => shape[0]! * shape[1]!));
  const halves = randomHalves(pool + largest * Math.max(...Array.from({ length: count }, (_, i) => rank(i))));
  const names = Array.from({ length: count }, (_, i) => `adapter-${String(i).padStart(4, "0")}`);
  for (const [i, name] of names.entries()) {
    const r = rank(i);
    const tensors = shapes.map(({ name, shape }, layer) => {
      const sized = shape.map((size, dim) => (dim === (name.includes("lora_A") ? 0 : 1) ? r : size));
      // Use odd offsets into the pool, so that no two adapters have the same slices in the same layers.
      const start = (i * 7919 + layer * 104729) % pool;
      const piece = halves.subarray(start, start + sized[0]! * sized[1]!);
      const bytes = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
      return { name, dtype: "f16" as const, shape: sized, bytes };
    });
    const own = JSON.stringify({ ...json, r, lora_alpha: 2 * r });
    await writeFolder(
      join(folder, name),
      new Map<string, string | Uint8Array>([
        [configName, own],
        [weightsName, writeSafetensors(tensors)],
      ]),
    );
  }
  return names;
}
