import { readFileSync } from "node:fs";
import { join } from "node:path";
import { goldenFolder } from "@lowrank/test-support/folders";
import { expect, test } from "vitest";
import {
  describeModel,
  type ModelShapes,
  parseClassifierConfig,
  parseModelConfig,
  parsePeftConfig,
  reportAdapter,
  XLoraConfig,
} from "./index.gen.ts";

interface Entry {
  base: string;
  method: string;
  trainable: number;
  all: number;
  adapter_bytes: number;
}

const read = (path: string) => JSON.parse(readFileSync(join(goldenFolder, path), "utf8"));
const entries: Entry[] = read("adapters/index.json");

const supported = ["llama", "gpt2", "bert-cls"];

/**
 * Golden entries by name. If PEFT 0.20 wrote another file than 0.21 (it omitted trained biases), the later entry
 * counts.
 */
const byName = new Map(
  entries.filter(({ base }) => supported.includes(base)).map((entry) => [`${entry.base}/${entry.method}`, entry]),
);

/** Returns the configuration with the paths of its experts, which are in the adapter's folder. */
function withPaths(config: XLoraConfig, folder: string): XLoraConfig {
  const paths = Object.keys(config.adapters).map((expert) => [expert, join(folder, expert)]);
  return config.with({ adapters: Object.fromEntries(paths) });
}

function shapesOf(base: string): ModelShapes {
  const json = read(`models/${base}/config.json`);
  return describeModel(base.endsWith("-cls") ? parseClassifierConfig(json) : parseModelConfig(json));
}

// Compares parameter counts and file sizes with PEFT's, on three architectures.
test.each([...byName])(
  "%s has the parameters and the bytes of PEFT's",
  async (name, { base, trainable, all, adapter_bytes }) => {
    const parsed = await parsePeftConfig(read(`adapters/${name}/adapter_config.json`), { onWarning: () => {} });
    const config = parsed instanceof XLoraConfig ? withPaths(parsed, join(goldenFolder, "adapters", name)) : parsed;
    const report = await reportAdapter(shapesOf(base), config);
    expect([report.trainable, report.total, report.bytesSaved]).toEqual([trainable, all, adapter_bytes]);
  },
);
