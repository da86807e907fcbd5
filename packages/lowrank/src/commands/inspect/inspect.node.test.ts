import { readFile, rm } from "node:fs/promises";
import { getPeftModel, LNTuningConfig } from "@lowrank/peft";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadModel } from "../../load/loadModel.ts";
import { type CommandFolder, commandFolder } from "../../testing/commandFolder.ts";

let command: CommandFolder;

beforeAll(async () => {
  command = await commandFolder();
  const train = ["train", "--model", "model", "--data", "pairs.jsonl", "--steps", "3", "--lr", "1e-2"];
  await command.succeed([...train, "--output", "adapter", "--r", "4", "--target-modules", "q_proj,down_proj"]);
  await command.succeed([...train, "--output", "tuned", "--method", "full"]);
  await command.succeed([...train, "--output", "prefix", "--method", "prefix"]);
});
afterAll(() => rm(command.folder, { recursive: true, force: true }));

interface Found {
  energyByRank: { rank: number; mean: number }[];
  leftOut: string[];
  layers: { layer: string; shape: number[]; rank: number; singularValues: number[]; error: number | null }[];
}

const inspect = async (...more: string[]): Promise<Found> =>
  JSON.parse((await command.succeed(["inspect", "--model", "model", ...more, "--json"])).stdout);

test("an adapter has its rank, a full fine-tuning that of the weights", async () => {
  const adapter = await inspect("--adapter", "adapter");
  expect(adapter.layers.map(({ layer }) => layer.split(".").at(-1))).toEqual(
    Array(2).fill(["q_proj", "down_proj"]).flat(),
  );
  for (const { rank, singularValues } of adapter.layers) expect([rank, singularValues.length]).toEqual([4, 4]);
  expect(adapter.energyByRank.at(-1)).toMatchObject({ rank: 4, mean: 1 });
  const full = await inspect("--tuned", "tuned");
  expect(full.layers.find(({ layer }) => layer.endsWith("1.mlp.down_proj"))).toMatchObject({
    shape: [16, 24],
    rank: 16,
  });
  expect(full.leftOut).toContain("model.norm.weight");
  // The models are the same.
  expect((await inspect("--tuned", "model")).layers.every(({ rank }) => rank === 0)).toBe(true);
});

test("--compress writes an adapter of lower rank that loads, whose error is told", async () => {
  const { layers } = await inspect("--adapter", "adapter", "--compress", "1", "--output", "lower");
  const lower = await inspect("--adapter", "lower");
  for (const [i, { singularValues, error }] of layers.entries()) {
    expect(error).toBeCloseTo(Math.hypot(...singularValues.slice(1)) / Math.hypot(...singularValues), 6);
    expect(lower.layers[i].singularValues.length).toBe(1);
    expect(lower.layers[i].singularValues[0]).toBeCloseTo(singularValues[0], 6);
  }
  const config = JSON.parse(await readFile(command.at("lower/adapter_config.json"), "utf8"));
  expect(config).toMatchObject({ r: 1, lora_alpha: 1 });
  await command.succeed(["generate", "--model", "model", "--adapter", "lower", "--prompt", "say", "--greedy"]);
});

test("vectors that change are counted, and the adapter that was written is used next", async () => {
  const full = await command.succeed([
    "inspect",
    "model",
    "--tuned",
    "tuned",
    "--compress",
    "2",
    "--output",
    "of full",
  ]);
  expect(full.stderr).toMatch(
    /^warning: 5 vectors change too, which have no rank: [^,]+\.weight, [^,]+\.weight, [^,]+\.weight, \.\.\.$/m,
  );
  expect(full.stdout).toMatch(
    /\nwrote of full; next:\n {2}lowrank generate --model model --adapter 'of full' --prompt "\.\.\."\n$/,
  );
  expect(JSON.parse(await readFile(command.at("of full/adapter_config.json"), "utf8"))).toMatchObject({ r: 2 });
  const { stdout, stderr } = await command.succeed(["inspect", "model", "--adapter", "adapter"]);
  expect(stdout).not.toContain("wrote");
  expect(stderr).not.toContain("vectors");
});

test("a change without a matrix has no spectrum, and no change no adapter", async () => {
  const { model } = await loadModel(command.at("model"));
  await (await getPeftModel(model, new LNTuningConfig())).savePretrained(command.at("norms"));
  const failure = async (...words: string[]) => {
    const { code, stderr } = await command.lowrank(["inspect", "model", ...words]);
    expect(code).toBe(1);
    return stderr.trim().split("\n").at(-1);
  };
  expect(await failure("--adapter", "norms")).toBe(
    "error: norms (LN_TUNING) changes only 5 vectors and no weight matrix: it has no spectrum",
  );
  expect(await failure("--tuned", "model", "--compress", "1", "--output", "none")).toBe(
    "error: --compress: the weights do not differ from the base model's, so there is no adapter to write",
  );
  expect(await failure("--adapter", "adapter", "--compress", "1", "--output", "adapter")).toContain(
    "--output adapter is the adapter's own folder",
  );
  expect(await failure("--adapter", "adapter", "--output", "none")).toContain(
    "--compress, the rank of the adapter to write, and --output, its folder, must be given together",
  );
});

test("a page needs nothing from elsewhere", async () => {
  const { stdout } = await command.succeed(["inspect", "model", "--adapter", "adapter", "--page", "page.html"]);
  expect(stdout).toMatch(/energy by rank .*4: 100.0 %/);
  const page = await readFile(command.at("page.html"), "utf8");
  expect(page).toContain("model.layers.0.self_attn.q_proj");
  expect(page).not.toMatch(/(src|href)=|@import|url\(/);
});

test.each([
  [["--adapter", "prefix"], "is PREFIX_TUNING, which adds virtual tokens"],
  [[], "nothing to inspect: give --adapter, or a fine-tuned model as --tuned"],
  [
    ["--adapter", "adapter", "--compress", "2"],
    "--compress, the rank of the adapter to write, and --output, its folder, must be given together",
  ],
  [["--adapter", "adapter", "--compress", "2", "--output", "model"], "--output model is the model's own folder"],
])("inspect %j is refused", async (words, message) => {
  const { code, stderr } = await command.lowrank(["inspect", "--model", "model", ...words]);
  expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
});
