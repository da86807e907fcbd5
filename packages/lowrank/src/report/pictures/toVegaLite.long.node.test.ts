import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Ajv } from "ajv";
import * as vega from "vega";
import { compile } from "vega-lite";
import { expect, test } from "vitest";
import { comparisonOf, rowOf } from "../../testing/comparisonOf.ts";
import { type ComparisonChart, toVegaLite } from "./toVegaLite.ts";

const quality = { metric: "exact match", higherIsBetter: true, mean: 0.5, deviation: 0.1 };
const rows = [
  rowOf("full fine-tuning", { peftType: null, rank: null, flopsPerToken: 0, trainable: 100_000, quality }),
  rowOf("LoRA", { quality: { ...quality, mean: 0.4 } }),
  rowOf("LoRA", { rank: 16, trainable: 2000, quality: { ...quality, mean: 0.3 } }),
  rowOf('a "name" <b>', { rank: null }),
];
const comparison = comparisonOf(rows);
const schema = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve("vega-lite/vega-lite-schema.json"), "utf8"),
);
const validate = new Ajv({ strict: false, validateFormats: false, logger: false }).compile(schema);

test.each<[ComparisonChart, string[]]>([
  ["memory", ["full fine-tuning", "LoRA, rank 8", "LoRA, rank 16", 'a "name" <b>']],
  ["trainable", ["full fine-tuning", "LoRA, rank 8", "LoRA, rank 16", 'a "name" <b>']],
  ["file", ["full fine-tuning", "LoRA, rank 8", "LoRA, rank 16", 'a "name" <b>']],
  ["flops", ["LoRA, rank 8", "LoRA, rank 16", 'a "name" <b>']],
  ["quality", ["full fine-tuning", "LoRA, rank 8", "LoRA, rank 16"]],
])("the chart %s is valid by Vega-Lite's schema, and Vega draws each method", async (chart, names) => {
  const spec = toVegaLite(comparison, { chart });
  expect(validate(spec), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true);
  expect([...new Set(spec.data.values.map((value) => value.method))]).toEqual(names);
  const warnings: unknown[] = [];
  const logger = { level: () => logger, error: note, warn: note, info: () => logger, debug: () => logger };
  function note(...args: unknown[]) {
    warnings.push(...args);
    return logger;
  }
  const { spec: drawn } = compile(JSON.parse(JSON.stringify(spec)), { logger: logger as never });
  const svg = await new vega.View(vega.parse(drawn), { renderer: "none" }).toSVG();
  expect(warnings).toEqual([]);
  for (const name of names) {
    expect(svg).toContain(`>${name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")}</text>`);
  }
});

test("a spec that the schema does not allow is found", () => {
  expect(validate({ ...toVegaLite(comparison), mark: "bars" })).toBe(false);
});
