import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Trainer } from "@lowrank/train";
import { type Sample, sampleOf } from "../sample.ts";
import { adapterTrainer, modelTrainer } from "./tinyTrainers.ts";

async function checkpointOf(name: string, trainer: Promise<Trainer>, folder: string): Promise<Sample> {
  await (await trainer).train();
  const place = join(folder, "checkpoint-2");
  const names = await readdir(place);
  return sampleOf(
    "checkpoint",
    name,
    await Promise.all(names.map(async (file) => [file, await readFile(join(place, file))] as const)),
  );
}

/** Checkpoints of a whole model's training and of an adapter's. */
export async function* checkpointSamples(): AsyncGenerator<Sample> {
  for (const [name, make] of Object.entries({ model: modelTrainer, adapter: adapterTrainer })) {
    const folder = await mkdtemp(join(tmpdir(), "lowrank-fuzz-"));
    try {
      yield await checkpointOf(name, make({ folder, every: 2 }), folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  }
}
