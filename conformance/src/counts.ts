import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compareMethods } from "lowrank/report";
import { type AdapterCase, lowrankConfig } from "./adapterCase.ts";

/** PEFT's counts of an adapter, before it is trained. */
export interface Counts {
  trainable: number;
  /** Number of parameters of base model and adapter together. */
  total: number;
  /** Length of adapter_model.safetensors in bytes. */
  bytesSaved: number;
}

/**
 * Compares PEFT's counts with the row that `compareMethods` computes from the base model's config alone. Returns a
 * sentence for each difference. The file is not compared if training cuts ranks, which it then lacks. The scripts here
 * load base models in float32, so that copies of their tensors in the file are float32 too.
 */
export async function countProblems(
  adapter: AdapterCase,
  { base }: { base: string },
  theirs: Counts,
): Promise<string[]> {
  const config: object = JSON.parse(await readFile(join(base, "config.json"), "utf8"));
  const compared = await compareMethods(config, [lowrankConfig(adapter, base)], { dtype: "f32" });
  const [row] = compared.rows;
  if (row === undefined) return [`compareMethods: ${compared.failed[0].why}`];
  if (adapter.method.sizesFollowWeights) return [];
  const names = [
    "trainable",
    "total",
    ...(adapter.method.allocates ? [] : ["bytesSaved" as const]),
  ] as (keyof Counts)[];
  return names.flatMap((name) =>
    row[name] === theirs[name] ? [] : [`compareMethods has ${name} ${row[name]}, PEFT ${theirs[name]}`],
  );
}
