import { readdir, rm } from "node:fs/promises";
import { afterAll, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";

const { folder, lowrank, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const words = "train --model model --data pairs.jsonl --output out --batch-size 4 --accumulate 2 --epochs 2 --r 4";

test("a dry run tells what the run would, and writes nothing", async () => {
  const before = await readdir(folder, { recursive: true });
  const { stdout } = await succeed([...words.split(" "), "--dry-run"]);
  expect(await readdir(folder, { recursive: true })).toEqual(before);
  const real = await succeed([...words.split(" "), "--samples", "0"]);
  for (const line of real.stdout
    .split("\n")
    .filter((line) => /^(data|adapter on|trainable|learning rate)/.test(line))) {
    expect(stdout).toContain(`${line}\n`);
  }
  expect(stdout).toContain("steps: 3 in an epoch, 6 in all, of 8 examples each\n");
  expect(real.stderr).toContain("step 6 of 6");
  // The longest example is "<s>say 0: a</s>", with one token for each letter.
  expect(stdout).toMatch(
    /^memory: [\d.]+ kB of tensors in a step of 4 x 10 tokens: weights \d+ kB, adapter \d+ kB, optimiser \d+ kB, gradients \d+ kB, activations \d+ kB$/m,
  );
  expect(stdout).toContain("example 1 of 22: 10 tokens, of which 2 are learned (in [[ ]]):\n");
  expect(stdout).toMatch(/^model: llama, 5,488 parameters\n/);
  expect(stdout).toMatch(/\nthis was a dry run: nothing was written\n$/);
  expect(stdout).toContain("of which 2 are learned (in [[ ]]):\n<s>say 0: [[a</s>]]\n");
});

test("as JSON it is one object; wrong targets and folders are errors", async () => {
  const { stdout, stderr } = await succeed([...words.split(" "), "--dry-run", "--json"]);
  expect(stderr).toBe("");
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ dryRun: true, steps: 6, stepsPerEpoch: 3, example: { learned: 2 } });
  expect(result.targets).toHaveLength(14);
  // LoRA of rank 4 on 7 layers of each of 2 blocks.
  const trainable = 2 * 4 * (32 + 24 + 24 + 32 + 40 + 40 + 40);
  expect(result.parameters).toEqual({ trainable, all: 5488 + trainable });
  expect(result.example).toMatchObject({ tokens: 10, learned: 2 });
  expect(result).not.toHaveProperty("labels");
  expect(result.memory.training.bytes).toBeGreaterThan(0);
  const wrong = await lowrank([...words.split(" "), "--dry-run", "--target-modules", "q_porj"]);
  expect(wrong.stderr).toContain("did you mean q_proj");
  const own = await lowrank([..."train --model model --data pairs.jsonl --output model --dry-run".split(" ")]);
  expect(own.stderr).toContain("model's own folder");
  const none = await lowrank(["train", "--model", "none", ...words.split(" ").slice(3), "--dry-run"]);
  expect(none.stderr).toContain("There is no folder none; check the path");
});

test("a dry run plans for the optimiser, the cut length and the whole model", async () => {
  const dry = (...more: string[]) => succeed([...words.split(" ").slice(0, -2), "--dry-run", ...more]);
  const lion = await dry("--optimizer", "lion", "--max-length", "9", "--batch-size", "100", "--weights", "f32");
  expect(lion.stdout).toContain("learning rate: 0.00002 at its peak (--lr)\n");
  expect(lion.stdout).toContain(" of tensors in a step of 22 x 9 tokens: ");
  expect(lion.stderr).toContain(
    "22 of 22 examples are longer than 9 tokens (--max-length); what goes beyond is not learned",
  );
  const full = await dry("--method", "full", "--lr", "0.5");
  expect(full.stdout).toContain("learning rate: 0.5 at its peak (--lr)\n");
  expect(full.stdout).toContain("trainable params: 5,488 || all params: 5,488 || trainable%: 100.0000\n");
  expect(full.stdout).toMatch(/ tokens: weights 22 kB, optimiser 44 kB, gradients 22 kB, activations \d+ kB$/m);
});
