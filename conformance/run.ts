// pnpm conformance [words]: adapters go both ways between Lowrank and the real PEFT, models in 4 bits between it and bitsandbytes,
// GGUF files between it and gguf-py. With words, only the checks whose line holds them all.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { type BaseName, bases } from "./src/bases.ts";
import { randomBatch } from "./src/batch.ts";
import { oursInPeft, theirsInLowrank } from "./src/directions.ts";
import { ensureEnvironment } from "./src/environment.ts";
import { ggufConfigs, ggufRead } from "./src/ggufRead.ts";
import { ggufWritten, writtenDTypes } from "./src/ggufWritten.ts";
import { loraCases } from "./src/loraCases.ts";
import { Python } from "./src/python.ts";
import { oursInTransformers, quantizedBases, quantizedCases, theirsQuantized } from "./src/quantized.ts";
import { blockSizes, blocks8bit, packedWeights, quantTypes } from "./src/quantizedWeights.ts";
import { Report } from "./src/report.ts";

const directions = { "ours in PEFT": oursInPeft, "PEFT's in Lowrank": theirsInLowrank };

async function runAll(python: Python, folder: string, report: Report): Promise<void> {
  for (const name of Object.keys(bases) as BaseName[]) {
    await python.ask("make_model", { config: bases[name], seed: 1, out: join(folder, name) });
  }
  for (const [index, lora] of loraCases.entries()) {
    const base = join(folder, lora.base);
    const batch = randomBatch(index, bases[lora.base].vocab_size);
    for (const [direction, trial] of Object.entries(directions)) {
      const own = join(folder, `case${index}`);
      await report.check(`${lora.base}, ${lora.name}: ${direction}`, () =>
        trial(lora, { python, base, batch, folder: own }),
      );
    }
  }
  await runQuantized(python, folder, report);
  await runWeights(python, report);
  for (const name of Object.keys(bases)) {
    for (const dtype of writtenDTypes) {
      const path = join(folder, `${name}-${dtype}.gguf`);
      await report.check(`${name}, GGUF in ${dtype}: gguf-py reads what it would write`, () =>
        ggufWritten(python, join(folder, name), path, dtype),
      );
    }
  }
  for (const [name, config] of Object.entries(ggufConfigs)) {
    await report.check(`${name}, GGUF in every type: Lowrank reads what gguf-py reads`, () =>
      ggufRead(python, config, join(folder, `${name}-random.gguf`), 1),
    );
  }
}

async function runWeights(python: Python, report: Report): Promise<void> {
  for (const blockSize of blockSizes) {
    for (const quantType of quantTypes) {
      for (const doubleQuant of [false, true]) {
        const label = `random weights, ${quantType}, blocks of ${blockSize}${doubleQuant ? ", scales in 8 bits" : ""}`;
        await report.check(`${label}: the bytes of bitsandbytes`, () =>
          packedWeights(python, quantType, blockSize, doubleQuant),
        );
      }
    }
    for (const signed of [true, false]) {
      await report.check(`random numbers, ${signed ? "" : "un"}signed 8 bits, blocks of ${blockSize}`, () =>
        blocks8bit(python, blockSize, signed),
      );
    }
  }
}

async function runQuantized(python: Python, folder: string, report: Report): Promise<void> {
  for (const [name, config] of Object.entries(quantizedBases)) {
    const base = join(folder, name);
    await python.ask("make_model", { config, seed: 1, out: base });
    for (const [index, packing] of quantizedCases.entries()) {
      const trial = { python, base, batch: randomBatch(index, config.vocab_size), folder: `${base}-${index}` };
      const label = `${name}, ${packing.quantType}${packing.doubleQuant ? ", scales in 8 bits" : ""}`;
      await report.check(`${label}: ours in transformers`, () => oursInTransformers(packing, trial));
      await report.check(`${label}: theirs in Lowrank`, () => theirsQuantized(packing, trial));
    }
  }
}

const report = new Report(process.argv.slice(2));
const { python: interpreter, skipped } = await ensureEnvironment();
if (interpreter === undefined) {
  report.skip(`conformance with PEFT: ${skipped}`);
} else {
  await init(wasm());
  const folder = await mkdtemp(join(tmpdir(), "lowrank-conformance-"));
  try {
    await using python = await Python.start(interpreter);
    console.log(
      Object.entries(python.versions)
        .map((entry) => entry.join(" "))
        .join(", "),
    );
    await runAll(python, folder, report);
  } finally {
    await rm(folder, { recursive: true });
  }
}
process.exitCode = report.close();
