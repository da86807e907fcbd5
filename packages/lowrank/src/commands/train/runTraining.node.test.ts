import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, describe, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";

const { folder, at, lowrank, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const base = ["train", "--model", "model", "--data", "pairs.jsonl", "--batch-size", "4", "--lr", "2e-2"];
const train = (output: string, ...words: string[]) =>
  succeed([...base, "--output", output, ...(words.includes("--samples") ? [] : ["--samples", "0"]), ...words]);
const metrics = async (name: string) =>
  (await readFile(at(`${name}/metrics.jsonl`), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const failure = async (...words: string[]) => (await lowrank([...base, "--output", "failed", ...words])).stderr;
const files = "adapter_config.json, adapter_model.safetensors, config.json, metrics.jsonl, README.md, report.html";

describe("a run's summary", () => {
  test("has losses, speed, memory, the check of the base model, and what to do next", async () => {
    const { stdout } = await train("out", "--steps", "5", "--eval-every", "2", "--validation-fraction", "0.25");
    const lines = stdout.trimEnd().split("\n");
    const line = (start: string) => lines.find((one) => one.startsWith(start)) ?? "";
    expect(line("data: ")).toMatch(
      /^data: \d+ tokens in 18 examples to train on, \d+ tokens in 6 examples to validate|in 6 to validate$/,
    );
    const [before, after] = [...line("validation loss").matchAll(/([\d.]+) at step (\d) \(perplexity ([\d.]+)\)/g)];
    expect(line("validation loss")).toMatch(/^validation loss, nats per token: /);
    expect([before[2], after[2]]).toEqual(["0", "5"]);
    for (const [, loss, , perplexity] of [before, after]) {
      expect(Math.abs(Math.exp(Number(loss)) / Number(perplexity) - 1)).toBeLessThan(0.05);
    }
    expect(line("speed: ")).toMatch(
      /^speed: 5 steps in [\d.]+ (s|min .*), [\d,]+ tokens\/s, \d+ ms a step \(median\)$/,
    );
    const [, mebibytes] = /^peak memory: (\d+) MiB$/.exec(line("peak memory")) ?? [];
    expect(Number(mebibytes) * 2 ** 20).toBeGreaterThan(process.memoryUsage.rss() / 8);
    expect(Number(mebibytes) * 2 ** 20).toBeLessThan(2 ** 36);
    expect(line("base model with the adapter off: loss ")).toMatch(/ ([\d.]+) before, \1 after, bit-identical$/);
    expect(lines.slice(lines.indexOf(`wrote out: ${files}`))).toEqual([
      `wrote out: ${files}`,
      "next:",
      '  lowrank generate --model model --adapter out --prompt "..."',
      "  lowrank merge --model model --adapter out --output out-merged",
      "  lowrank serve model --adapter mine=out",
    ]);
    for (const other of ["stopped", "new head", "backend:"]) expect(stdout).not.toContain(other);
    expect(stdout).not.toContain("best evaluation");
  });

  test("of a whole model has another command, and no check of a base", async () => {
    const { stdout } = await train("full/", "--steps", "1", "--method", "full", "--validation-fraction", "0");
    expect(stdout).toContain('next:\n  lowrank generate --model full/ --prompt "..."\n');
    expect(stdout).not.toContain("lowrank merge");
    expect(stdout).not.toContain("adapter off");
    expect(stdout).not.toContain("validation loss");
  });

  test("of conversations generates with --chat; an adapter of 4 bits is merged, and not served", async () => {
    const chats = Array.from({ length: 8 }, () => ({
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: "ho" },
      ],
    }));
    await writeFile(at("chats.jsonl"), chats.map((chat) => JSON.stringify(chat)).join("\n"));
    const words = ["--batch-size", "4", "--steps", "1", "--samples", "0", "--method", "qlora", "--double-quant"];
    const { stdout } = await succeed(["train", "model", "--data", "chats.jsonl", "--output", "chat", ...words]);
    const asTrained = "--model model --adapter chat --quant-type nf4 --double-quant";
    expect(stdout).toContain(
      `next:\n  lowrank generate ${asTrained} --chat --prompt "..."\n  lowrank merge ${asTrained} --output chat-merged\n`,
    );
    expect(stdout).not.toContain("lowrank serve");
    expect(stdout).toMatch(/base model: \d+ linear layers in nf4, blocks of 64/);
  });

  test("as JSON is one object", async () => {
    const words = ["--steps", "3", "--eval-every", "2", "--json", "--validation-fraction", "0.25"];
    const { stdout } = await train("json", ...words);
    const result = JSON.parse(stdout);
    const config = JSON.parse(await readFile(at("json/config.json"), "utf8"));
    expect(result).toMatchObject({
      ...{ output: "json", files: files.split(", "), baseModel: "model", peftType: "LORA", steps: 3, maxSteps: 3 },
      ...{ interrupted: null, resumedFrom: null, best: null, stoppedEarly: false, warnings: [] },
      validation: { first: { step: 0 }, last: { step: 3 } },
    });
    // 7 layers of each of 2 blocks, of rank 8.
    const width = { q: 32, k: 24, v: 24, o: 32, gate: 40, up: 40, down: 40 };
    const trainable = 2 * 8 * Object.values(width).reduce((sum, n) => sum + n, 0);
    expect(result.parameters.trainable).toBe(trainable);
    // Embeddings of 98 tokens, the layers and norms of 2 blocks, and the last norm.
    expect(result.parameters.all).toBe(98 * 16 + 2 * (16 * (16 + 8 + 8 + 16 + 3 * 24) + 32) + 16 + trainable);
    // Whole kibibytes.
    expect(result.peakMemory % 1024).toBe(0);
    expect(result.tokens).toBeGreaterThan(0);
    expect(result.peakMemory).toBeGreaterThan(1e7);
    const lines = await metrics("json");
    expect(result.loss).toBe(lines.findLast((line) => "loss" in line).loss);
    expect(config.resolved).toMatchObject({ steps: 3, trainExamples: 18, validationExamples: 6 });
    expect(config.options).not.toHaveProperty("samplePrompt");
  });
});

test("a run validates every tenth of its steps by default, which its config.json has", async () => {
  await train("tenths", "--steps", "20", "--batch-size", "8", "--validation-fraction", "0.05");
  const validated = (await metrics("tenths")).flatMap((line) => ("eval_loss" in line ? [line.step] : []));
  expect(validated).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
  expect(JSON.parse(await readFile(at("tenths/config.json"), "utf8")).options.evalEvery).toBe(2);
});

test("measurements, answers and checkpoints come as often as they are asked for", async () => {
  const every = ["--eval-every", "2", "--sample-every", "2", "--log-every", "3", "--save-every", "2"];
  const words = ["--steps", "5", "--samples", "1", "--save-total-limit", "1", ...every];
  const first = await train("often", ...words);
  expect(first.stderr).not.toContain("removed from");
  const lines = await metrics("often");
  // The two validation examples measure the base model too.
  const [{ eval_loss }] = lines.filter((line) => "eval_loss" in line);
  expect(first.stdout).toContain(`base model with the adapter off: loss ${eval_loss.toFixed(6)} before, `);
  const steps = (name: string) => lines.filter((line) => name in line).map(({ step }) => step);
  expect(steps("loss")).toEqual([3, 5]);
  expect(steps("eval_loss")).toEqual([0, 2, 4, 5]);
  expect(steps("samples")).toEqual([0, 2, 4, 5]);
  expect(steps("eval_perplexity")).toEqual([0, 2, 4, 5]);
  for (const { samples } of lines.filter((line) => "samples" in line)) expect(samples).toHaveLength(1);
  for (const line of lines.filter((line) => "loss" in line)) {
    expect(line.tokens_per_second).toBeGreaterThan(1);
    expect(line.memory).toBeGreaterThan(1e7);
  }
  const checkpoints = (await readdir(at("often"))).filter((name) => name.startsWith("checkpoint-"));
  expect(checkpoints).toHaveLength(1);
  await rm(at("often/adapter_config.json"));
  const weights = await readFile(at("often/adapter_model.safetensors"), "hex");
  const { stdout } = await train("often", ...words, "--resume", "often");
  expect(stdout).toContain(`resumed from often/${checkpoints[0]}, after step ${checkpoints[0].slice(11)} of 5\n`);
  expect(await readFile(at("often/adapter_model.safetensors"), "hex")).toBe(weights);
});

test("given prompts are answered before and after, as long as they leave room", async () => {
  // The beginning-of-sequence token and 62 characters, of 64 positions.
  await train("asked", "--steps", "1", "--samples", "0", "--sample-prompt", "a".repeat(62)).catch(() => null);
  const prompt = ["--steps", "1", "--sample-prompt"];
  await succeed([...base, "--output", "asked", "--overwrite", ...prompt, "a".repeat(62)]);
  const lines = (await metrics("asked")).filter((line) => "samples" in line);
  expect(lines.map(({ step, samples }) => [step, samples.length])).toEqual([
    [0, 1],
    [1, 1],
  ]);
  const { prompt: asked, answer, ...others } = lines[0].samples[0];
  const greedy = ["--greedy", "--max-new-tokens", "1", "--prompt", "a".repeat(62)];
  const { stdout } = await succeed(["generate", "model", ...greedy]);
  expect([asked, answer, others]).toEqual(["a".repeat(62), stdout.trim(), {}]);
  expect(await failure(...prompt, "a".repeat(63))).toContain(
    `--sample-prompt "${"a".repeat(63)}" has 64 tokens, which leaves no room for an answer within 64 tokens; give a shorter one`,
  );
});

test("options that need others say so", async () => {
  expect(await failure("--allow-changes")).toContain(
    "--allow-changes needs --resume; give --resume, or leave --allow-changes out",
  );
  expect(await failure("--save-total-limit", "2", "--steps", "1")).toContain(
    "--save-total-limit needs --save-every; give --save-every too",
  );
  expect(await failure("--block-size", "65")).toContain("--block-size is 65, but the model has 64 positions");
  expect(await failure("--max-length", "65")).toContain("--max-length is 65, but the model has 64 positions");
  expect(await failure("--double-quant")).toContain("--double-quant is for ");
});
