import { readdir, readFile, rm } from "node:fs/promises";
import { afterAll, expect, test } from "vitest";
import { commandFolder } from "../../../testing/commandFolder.ts";

const { folder, at, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a run leaves adapter, config, measurements, report and card, and is repeated from its config", async () => {
  const words = "train --model model --data pairs.jsonl --batch-size 4 --lr 2e-2 --steps 2 --output first --quiet";
  const { stderr } = await succeed(words.split(" "));
  expect(stderr).toBe("");
  const names = ["README.md", "adapter_config.json", "adapter_model.safetensors", "config.json", "metrics.jsonl"];
  expect((await readdir(at("first"))).sort()).toEqual([...names, "report.html"]);
  await succeed(["train", "first/config.json", "--output", "second"]);
  const weights = (name: string) => readFile(at(`${name}/adapter_model.safetensors`), "hex");
  expect(await weights("second")).toBe(await weights("first"));
});

test("as JSON the result is one object, and lines of measurements come on stderr", async () => {
  const words = "train --model model --data pairs.jsonl --batch-size 4 --steps 2 --output json --json --samples 1";
  const { stdout, stderr } = await succeed(words.split(" "));
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ output: "json", peftType: "LORA", steps: 2, maxSteps: 2, interrupted: null });
  const metrics = await readFile(at("json/metrics.jsonl"), "utf8");
  expect(stderr).toBe(metrics);
  const losses = metrics
    .trimEnd()
    .split("\n")
    .flatMap((line) => JSON.parse(line).loss ?? []);
  expect(result.loss).toBe(losses.at(-1));
  expect(result.validation.last.step).toBe(2);
});
