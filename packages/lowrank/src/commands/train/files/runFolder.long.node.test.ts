import { createHash } from "node:crypto";
import { cp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { clearLeftovers } from "../../../cli/outputs/clearLeftovers.ts";
import { commandFolder } from "../../../testing/commandFolder.ts";
import { isSample, isStep, isValidation, type MetricsLine } from "./metricsLog.ts";

const { folder, at, lowrank, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const words = "train --model model --data pairs.jsonl --batch-size 4 --lr 2e-2 --steps 6 --eval-every 2 --save-every 2";
const train = (output: string, ...more: string[]) => succeed([...words.split(" "), "--output", output, ...more]);
const text = (name: string) => readFile(at(name), "utf8");
const bytes = (name: string) => readFile(at(name), "hex");
const json = async (name: string) => JSON.parse(await text(name));
const metrics = async (name: string): Promise<MetricsLine[]> =>
  (await text(`${name}/metrics.jsonl`))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Returns the lines without times and memory, which differ between runs. */
const lasting = async (name: string) =>
  (await metrics(name)).map((line) => (isStep(line) ? { ...line, tokens_per_second: 0, memory: 0 } : line));

beforeAll(() => train("whole"));

describe("a run's folder", () => {
  test("holds adapter, config, measurements, report, card and checkpoints", async () => {
    const names = ["README.md", "adapter_config.json", "adapter_model.safetensors", "config.json", "metrics.jsonl"];
    const checkpoints = ["checkpoint-2", "checkpoint-4", "checkpoint-6"];
    expect((await readdir(at("whole"))).sort()).toEqual([...names, ...checkpoints, "report.html"].sort());
    expect(await readdir(at("whole/checkpoint-2"))).toContain("adapter_config.json");
  });

  test("config.json says what was asked, versions, processor, backend, and hashes of data and model", async () => {
    const config = await json("whole/config.json");
    expect(config).toMatchObject({
      lowrank: expect.stringMatching(/^\d+\.\d+\.\d+/),
      node: process.version,
      backend: { name: "wasm", threads: 1 },
      options: { model: "model", data: ["pairs.jsonl"], steps: 6, batchSize: 4, lr: 0.02, seed: 0, maxLength: 64 },
      resolved: { steps: 6, trainExamples: 22, validationExamples: 2, adapter: { r: 8, peft_type: "LORA" } },
    });
    expect(config.options).not.toHaveProperty("epochs");
    const sha256 = createHash("sha256")
      .update(await readFile(at("pairs.jsonl")))
      .digest("hex");
    expect(config.data).toEqual([{ path: "pairs.jsonl", bytes: 911, sha256 }]);
    const weights = createHash("sha256")
      .update(await readFile(at("model/model.safetensors")))
      .digest("hex");
    expect(config.model).toContainEqual(expect.objectContaining({ path: "model/model.safetensors", sha256: weights }));
  });

  test("metrics.jsonl has a line a step, and those of validations and answers", async () => {
    const lines = await metrics("whole");
    const steps = lines.filter(isStep);
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(steps[0].learning_rate).toBe(0.02);
    for (const { loss, grad_norm, tokens_per_second, memory } of steps) {
      expect(loss * grad_norm * tokens_per_second).toBeGreaterThan(0);
      expect(memory).toBeGreaterThan(1e7);
    }
    expect(lines.filter(isValidation).map(({ step }) => step)).toEqual([0, 2, 4, 6]);
    const [before, after] = lines.filter(isSample);
    expect([before.step, after.step]).toEqual([0, 6]);
    expect(before.samples).toHaveLength(2);
    expect(before.samples[0]).toMatchObject({
      prompt: expect.stringMatching(/^say \d:$/),
      reference: expect.stringMatching(/^[abc]$/),
    });
    expect(before.samples.map(({ answer }) => answer)).not.toEqual(after.samples.map(({ answer }) => answer));
    expect((await train("seldom", "--log-every", "4", "--samples", "0")).code).toBe(0);
    const seldom = await metrics("seldom");
    expect(seldom.filter(isStep).map(({ step }) => step)).toEqual([4, 6]);
    expect(seldom.filter(isSample)).toEqual([]);
  });

  test("a run is repeated from its config.json, bit for bit", async () => {
    await succeed(["train", "whole/config.json", "--output", "again"]);
    expect(await bytes("again/adapter_model.safetensors")).toBe(await bytes("whole/adapter_model.safetensors"));
    const [config, again] = [await json("whole/config.json"), await json("again/config.json")];
    expect(again).toEqual({ ...config, options: { ...config.options, output: "again" } });
    expect(await lasting("again")).toEqual(await lasting("whole"));
  });

  test("a resumed run reads as one that never stopped", async () => {
    await cp(at("whole"), at("resumed"), { recursive: true });
    for (const name of ["checkpoint-4", "checkpoint-6", "adapter_config.json"]) {
      await rm(at(`resumed/${name}`), { recursive: true });
    }
    const [first] = (await text("whole/metrics.jsonl")).split("\n");
    // A line of a step after the checkpoint, and an incomplete line.
    await writeFile(at("resumed/metrics.jsonl"), `${first}\n{"step":5,"loss":9}\n{"st`);
    const refused = await lowrank([...words.split(" "), "--output", "resumed"]);
    expect(refused.stderr).toBe(
      "error: --output resumed holds checkpoints of a run that did not end (checkpoint-2); go on with --resume resumed, or give --overwrite to begin again\n",
    );
    const other = await lowrank([...words.split(" "), "--output", "resumed", "--resume", "resumed", "--seed", "5"]);
    expect(other.stderr).toMatch(/error: --resume resumed is of another run: .*--allow-changes\n$/);
    const { stdout } = await train("resumed", "--resume", "resumed");
    expect(stdout).toContain("resumed from resumed/checkpoint-2, after step 2 of 6\n");
    expect(await lasting("resumed")).toEqual(await lasting("whole"));
    expect((await text("resumed/metrics.jsonl")).startsWith(await text("whole/checkpoint-2/metrics.jsonl"))).toBe(true);
    expect(await bytes("resumed/adapter_model.safetensors")).toBe(await bytes("whole/adapter_model.safetensors"));
    const config = await json("whole/config.json");
    expect(await json("resumed/config.json")).toEqual({ ...config, options: { ...config.options, output: "resumed" } });
  });

  test("a run over an older one takes its place, checkpoints too", async () => {
    await cp(at("whole"), at("over"), { recursive: true });
    const again = await lowrank([...words.split(" "), "--output", "over", "--alpha", "3"]);
    expect(again).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("--output over holds the results of a run"),
    });
    const { stderr } = await train("over", "--alpha", "3", "--save-every", "3", "--overwrite");
    expect(stderr).toContain("of an older run: checkpoint-2, checkpoint-4");
    const names = await readdir(at("over"));
    expect(names.filter((name) => name.startsWith("checkpoint"))).toEqual(["checkpoint-3", "checkpoint-6"]);
    expect(names).not.toContain("metrics.running.jsonl");
    expect((await json("over/config.json")).options.alpha).toBe("3");
  });

  test("the report and the card tell the run", async () => {
    const [page, card] = [await text("whole/report.html"), await text("whole/README.md")];
    const last = (await metrics("whole")).findLast(isValidation);
    const loss = String(Number(last?.eval_loss.toPrecision(4)));
    for (const part of ["Answers before and after", "say ", loss, "q_proj", "batchSize", "prefers-color-scheme"]) {
      if (part !== "prefers-color-scheme") expect(page).toContain(part);
    }
    expect(page).toContain("color-scheme: light dark");
    expect(page).toContain("@media print");
    const [, front] = card.split("---\n");
    expect(parse(front)).toEqual({
      base_model: "model",
      library_name: "peft",
      pipeline_tag: "text-generation",
      tags: ["base_model:adapter:model", "lora", "lowrank"],
    });
    for (const part of [loss, "pairs.jsonl", "- steps: 6", "PeftModel.from_pretrained"]) expect(card).toContain(part);
  });

  test("markup in names and texts is text", async () => {
    const pairs = Array.from({ length: 12 }, (_, i) => ({ prompt: `<img${i}src=x>`, completion: "<b>&" }));
    await writeFile(at("<i>data.jsonl"), pairs.map((pair) => JSON.stringify(pair)).join("\n"));
    await symlink(at("model"), at("<b>model*|`x`"));
    const output = "<u>out_[x](y)";
    await succeed(["train", "--model", "<b>model*|`x`", "--data", "<i>data.jsonl", "--output", output, "--steps", "1"]);
    const [page, card] = [await text(join(output, "report.html")), await text(join(output, "README.md"))];
    expect(page).not.toMatch(/<(u|i|b|img\d+src=x)>/);
    expect(page).toContain("&lt;b&gt;model*|`x`");
    expect(page).toContain("&lt;b&gt;&amp;");
    const prose = card.replace(/^---.*?\n---\n/s, "").replace(/(`{3,})\w*\n.*?\n\1/gs, "");
    expect(prose).not.toMatch(/(?<!\\)[<*[]/);
    expect(prose).toContain("# \\<u\\>out\\_\\[x\\](y)");
    expect(parse(card.split("---\n")[1]).base_model).toBe("<b>model*|`x`");
  });

  test("a whole model has a config of its own, and the run's beside it", async () => {
    await train("full", "--method", "full", "--lr", "1e-3");
    expect((await json("full/config.json")).model_type).toBe("llama");
    expect((await json("full/run_config.json")).options.method).toBe("full");
    expect(parse((await text("full/README.md")).split("---\n")[1]).library_name).toBe("transformers");
    await succeed(["generate", "--model", "full", "--prompt", "say 1: ", "--max-new-tokens", "2"]);
  });
});

describe("results that could not be finished", () => {
  test("replace older ones where they were whole, and are removed where they were not", async () => {
    const id = "0a1b-zzzzz-1-12345678";
    for (const name of ["torn", "begun"]) await cp(at("whole"), at(name), { recursive: true });
    // State of a kill when all new files were on the disk and two old ones had been moved.
    for (const name of ["adapter_config.json", "adapter_model.safetensors"]) {
      await writeFile(at(`torn/${name}.${id}.old`), await readFile(at(`torn/${name}`)));
      await rm(at(`torn/${name}`));
    }
    for (const name of ["adapter_config.json", "README.md"]) await writeFile(at(`torn/${name}.${id}.part`), "new");
    await writeFile(at("torn/adapter_model.safetensors"), "new");
    // State of a kill while new files were being written.
    await writeFile(at(`begun/adapter_config.json.${id}.part`), "ne");
    await clearLeftovers(at("torn"));
    await clearLeftovers(at("begun"));
    for (const name of ["adapter_config.json", "README.md", "adapter_model.safetensors"]) {
      expect(await text(`torn/${name}`)).toBe("new");
    }
    expect(await bytes("begun/adapter_config.json")).toBe(await bytes("whole/adapter_config.json"));
    for (const name of ["torn", "begun"]) {
      expect(await readdir(at(name))).toEqual(await readdir(at("whole")));
    }
  });

  test("that the folder does not take are kept elsewhere, and the error says where", async () => {
    // A folder has the name of a result file, so that saving fails.
    await cp(at("whole/checkpoint-2"), at("blocked/report.html"), { recursive: true });
    const failed = await lowrank([...words.replace("--save-every 2", "--samples 1").split(" "), "--output", "blocked"]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("report.html is a folder");
    const [, kept] = /the trained adapter is in (\S+);/.exec(failed.stderr) ?? [];
    expect(await readdir(kept)).toEqual(["README.md", "adapter_config.json", "adapter_model.safetensors"]);
    expect(await readFile(join(kept, "adapter_model.safetensors"), "hex")).toBe(
      await bytes("whole/adapter_model.safetensors"),
    );
    await rm(kept, { recursive: true });
    const again = await lowrank([...words.split(" "), "--output", "blocked"]);
    expect(again.stderr).toContain(
      "blocked/checkpoint-6 holds what was trained; go on with --resume blocked/checkpoint-6",
    );
  });
});
