import { Random } from "../deploy/random.ts";
import { tryCase } from "./fuzzCase.ts";
import type { Sample } from "./sample.ts";

/** Throws where a good file is not of use, so that refusing all would pass for care. */
export async function checkSamples(samples: readonly Sample[]): Promise<void> {
  for (const sample of samples) {
    const one = { sample, files: sample.files, file: "", what: "", onDisk: false, random: new Random(1) };
    const { verdict, error } = await tryCase(one, "");
    if (verdict === "fine") continue;
    throw new Error(`fuzz: the good sample ${sample.attempt}/${sample.name} is refused`, { cause: error });
  }
}
