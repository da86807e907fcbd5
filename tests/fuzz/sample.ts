import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { adapterSamples } from "./samples/adapters.ts";
import { checkpointSamples } from "./samples/checkpoints.ts";
import { datasetSamples } from "./samples/datasets.ts";
import { modelSamples } from "./samples/models.ts";
import { tokenizerSamples } from "./samples/tokenizers.ts";

/** Valid files that belong together, and the attempt that reads them. */
export interface Sample {
  /** The name of the attempt in `attempts`. */
  readonly attempt: string;
  readonly name: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The contents of new files: texts or bytes. */
export type Contents = Iterable<readonly [name: string, content: string | Uint8Array]>;

/** Makes a sample of files. */
export function sampleOf(attempt: string, name: string, contents: Contents): Sample {
  const bytes = (content: string | Uint8Array) =>
    typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { attempt, name, files: new Map(Array.from(contents, ([file, content]) => [file, bytes(content)])) };
}

/** Makes all samples and writes them as `<folder>/<attempt>/<name>/<file>`. */
export async function writeSamples(folder: string): Promise<void> {
  for (const samples of [modelSamples, adapterSamples, tokenizerSamples, datasetSamples, checkpointSamples]) {
    for await (const { attempt, name, files } of samples()) {
      const place = join(folder, attempt, name);
      await mkdir(place, { recursive: true });
      for (const [file, bytes] of files) await writeFile(join(place, file), bytes);
    }
  }
}

/** Reads the samples of a folder. */
export async function readSamples(folder: string): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const attempt of (await readdir(folder)).sort()) {
    for (const name of (await readdir(join(folder, attempt))).sort()) {
      const place = join(folder, attempt, name);
      const names = (await readdir(place)).sort();
      const contents = names.map(async (file) => [file, new Uint8Array(await readFile(join(place, file)))] as const);
      samples.push(sampleOf(attempt, name, await Promise.all(contents)));
    }
  }
  return samples;
}
