import { readdir, rm } from "node:fs/promises";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel } from "../../load/loadModel.ts";
import { commandFolder } from "../../testing/commandFolder.ts";

const { folder, at, lowrank, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const merge = (output: string, ...more: string[]) =>
  ["merge", "--model", "model", "--adapter", "adapter", "--prompt", "say", "--output", output].concat(more);
const failure = async (...words: string[]) => {
  const { code, stderr } = await lowrank(words);
  expect(code).toBe(1);
  return stderr.trim().replace(/^error: /, "");
};

beforeAll(async () => {
  const { model } = await loadModel(at("model"));
  const config = new LoraConfig({ r: 2, targetModules: ["q_proj", "down_proj"], initLoraWeights: false });
  await (await getPeftModel(model, config)).savePretrained(at("adapter"));
});

/** Returns the line that compares two answers. */
const line = (what: string, { maxDifference, scale }: { maxDifference: number; scale: number }) =>
  `${what}: logits differ by ${maxDifference.toExponential(1)} at most (largest ${scale.toFixed(1)}), greedy tokens are the same`;
const next = (output: string) => `wrote ${output}; next:\n  lowrank generate --model ${output} --prompt "..."`;

test("a folder has f32 weights that give the merged model's logits", async () => {
  const { stdout, stderr } = await succeed(merge("merged", "--json"));
  const { merged, written, ...result } = JSON.parse(stdout);
  expect(result).toEqual({ output: "merged", dtype: "f32", drift: null, notes: [] });
  expect(written).toEqual(merged);
  expect(merged).toMatchObject({ sameTokens: true });
  expect(merged.maxDifference).toBeLessThan(1e-4 * Math.max(1, merged.scale));
  const lines = [line("merged", merged), line("written as f32", written), next("merged")];
  expect(stderr.trimEnd().split("\n").slice(-4)).toEqual(lines.join("\n").split("\n"));
  const again = await succeed(merge("as text"));
  expect(again.stdout).toBe(
    `${lines.join("\n").replaceAll("wrote merged", "wrote as text").replace("--model merged", "--model 'as text'")}\n`,
  );
  expect((await readdir(at("merged"))).sort()).toEqual((await readdir(at("model"))).sort());
});

test("weights of another type differ by their rounding", async () => {
  const { stdout } = await succeed(merge("half", "--dtype", "f16"));
  expect(stdout).toMatch(
    /^merged: .*\nwritten as f16: logits differ by (\d\.\de-[234]) at most .*\nwrote half; next:\n/,
  );
  expect(stdout).not.toContain("warning");
});

test("a GGUF file has f16 weights unless another type is given", async () => {
  const { stdout, stderr } = await succeed(merge("out.gguf", "--json"));
  expect(JSON.parse(stdout)).toMatchObject({
    output: "out.gguf",
    dtype: "f16",
    drift: null,
    merged: { sameTokens: true },
  });
  expect(stderr).toContain("written as f16: logits differ by ");
  expect((await readdir(folder)).filter((name) => name.startsWith("out"))).toEqual(["out.gguf"]);
  const full = await succeed(merge("full.gguf", "--dtype", "f32"));
  expect(full.stdout).toContain("written as f32: logits differ by ");
});

describe("--requantize", () => {
  const nf4 = ["--quant-type", "nf4", "--requantize"];

  test("writes 4 bits again, and prints the drift of the weights", async () => {
    const { stdout, stderr } = await succeed(merge("again", ...nf4, "--json"));
    const { drift, dtype, merged, written } = JSON.parse(stdout);
    expect([dtype, drift.length]).toEqual([null, 4]);
    expect(written).toEqual(merged);
    const mean = drift.reduce((sum: number, { meanAbs }: { meanAbs: number }) => sum + meanAbs, 0) / 4;
    const [worst] = drift.toSorted((a: { maxAbs: number }, b: { maxAbs: number }) => b.maxAbs - a.maxAbs);
    expect(stderr).toContain(
      `requantized: 4 weights drift by ${mean.toExponential(1)} on average and ${worst.maxAbs.toExponential(1)} at most (${worst.path})\nmerged: logits differ by `,
    );
    // Rounding to 4 bits is no reason for a warning, and there is no other type.
    expect(stderr).not.toContain("warning");
    expect(stderr).not.toContain("written as");
    // The written model is quantized on disk, and an adapter trains on it.
    const train = ["train", "again", "--data", "pairs.jsonl", "--steps", "1", "--samples", "0", "--method", "qlora"];
    const trained = await succeed([...train, "--output", "on-disk", "--validation-fraction", "0"]);
    expect(trained.stdout).toContain("base model: in nf4 on disk already\n");
    expect(trained.stdout).not.toContain("instead of");
    expect(await failure(...train, "--output", "no", "--double-quant")).toContain(
      "error: again is quantised already, to nf4; leave --double-quant out",
    );
    const { stdout: plain } = await succeed(merge("plain", "--quant-type", "nf4"));
    expect(plain).not.toContain("requantized");
  });

  test("is for models in 4 bits, and for folders", async () => {
    expect(await failure(...merge("no", "--requantize"))).toBe(
      "--requantize: model is not in 4 bits; give --quant-type, or leave --requantize out",
    );
    expect(await failure(...merge("no.gguf", ...nf4))).toBe(
      "--requantize writes folders; for no.gguf give a --dtype such as q8_0",
    );
    expect(await failure(...merge("no", "--requantize", "--dtype", "f16"))).toContain("cannot be used with option");
  });
});

test("the output is a new folder, or a file for types of blocks", async () => {
  expect(await failure(...merge("no", "--dtype", "q8_0"))).toBe(
    "--dtype q8_0 is for GGUF files; give an output that ends in .gguf, such as --output no.gguf",
  );
  expect(await failure(...merge("model"))).toContain("--output model is the model's own folder");
  expect(await failure(...merge("adapter"))).toContain("--output adapter is the adapter's own folder");
  expect(await readdir(folder)).not.toContain("no");
});
