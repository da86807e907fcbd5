import { init, reference } from "@lowrank/core";
import type { PeftConfig, Warning } from "@lowrank/peft";
import { beforeAll, expect, test } from "vitest";
import { AdapterChecks } from "./checkAdapter.ts";
import { adapterFiles, tinyLora } from "./testing/tinyAdapters.ts";

beforeAll(() => init(reference()));

async function contentOf(seed: number, config?: PeftConfig) {
  const files = await adapterFiles(seed, config);
  const text = files.get("adapter_config.json") as string;
  const weights = files.get("adapter_model.safetensors") as Uint8Array<ArrayBuffer>;
  const file = { name: "adapter_model.safetensors", size: weights.length, tag: "" };
  const folder = { path: "a", config: { ...file, name: "adapter_config.json" }, weights: file, state: "" };
  return { version: `${seed}`, config: text, configHash: "", weights, files, folder };
}

test("adapters whose files differ in numbers alone have one layout, and each its own values", async () => {
  const checks = new AdapterChecks({}, () => {});
  const contents = [await contentOf(1), await contentOf(2), await contentOf(3, tinyLora({ r: 4 }))];
  const [a, b, other] = await Promise.all(contents.map((content) => checks.check(content, "one")));
  const again = await checks.check(contents[0], "one");
  expect(again.layout).toBe(a.layout);
  expect(other.layout).not.toBe(a.layout);
  const size = a.layout.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(a.layout.tensors.map(({ dtype }) => dtype)).toEqual(new Array(4).fill("F32"));
  for (const [i, { bytes }] of [a, b].entries()) expect(bytes).toEqual(contents[i].weights.slice(-size));
});

test("numbers that are not finite are found in an adapter of a known layout too", async () => {
  const checks = new AdapterChecks({}, () => {});
  await checks.check(await contentOf(1), "good");
  const bad = await contentOf(2);
  new DataView(bad.weights.buffer).setFloat32(bad.weights.byteOffset + bad.weights.length - 4, Number.NaN, true);
  await expect(checks.check(bad, "bad")).rejects.toMatchObject({
    code: "adapter_refused",
    message: expect.stringMatching(/^LoRA adapter 'bad': .* is NaN or infinite at its element 15/),
  });
});

test("a warning is given for each adapter of a layout, by its name", async () => {
  const warnings: Warning[] = [];
  const checks = new AdapterChecks({ baseModel: "one" }, (warning) => warnings.push(warning));
  for (const name of ["a", "b"]) await checks.check(await contentOf(1, tinyLora({ baseModelNameOrPath: "two" })), name);
  expect(warnings.map(({ message }) => message)).toEqual(
    ["a", "b"].map((name) => `LoRA adapter '${name}' was made for two, and one is served`),
  );
});
