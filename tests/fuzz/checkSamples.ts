import { Random } from "@lowrank/test-support/random";
import { tryCase } from "./fuzzCase.ts";
import type { Sample } from "./sample.ts";

/** The maximum size of one sample in bytes: every case copies its files. */
const mostBytes = 2 ** 20;

/**
 * Throws if an undamaged file is not usable, since code that rejects every file would then pass. Also throws if files
 * are so large that cases are slow.
 */
export async function checkSamples(samples: readonly Sample[]): Promise<void> {
  for (const sample of samples) {
    const bytes = [...sample.files.values()].reduce((sum, { length }) => sum + length, 0);
    if (bytes > mostBytes) {
      throw new Error(
        `fuzz: the sample ${sample.attempt}/${sample.name} has ${bytes} bytes; give its architecture small sizes in tinySizes.ts`,
      );
    }
    const one = { sample, files: sample.files, file: "", what: "", onDisk: false, random: new Random(1) };
    const { verdict, error } = await tryCase(one, "");
    if (verdict === "fine") continue;
    throw new Error(`fuzz: the good sample ${sample.attempt}/${sample.name} is refused`, { cause: error });
  }
}
