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
  expect(stdout).toMatch(/memory: [\d.]+ kB of tensors in a step of 4 x \d+ tokens: weights/);
  expect(stdout).toContain("of which 2 are learned (in [[ ]]):\n<s>say 0: [[a</s>]]\n");
});

test("as JSON it is one object; wrong targets and folders are errors", async () => {
  const { stdout, stderr } = await succeed([...words.split(" "), "--dry-run", "--json"]);
  expect(stderr).toBe("");
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ dryRun: true, steps: 6, stepsPerEpoch: 3, example: { learned: 2 } });
  expect(result.targets).toHaveLength(14);
  expect(result.memory.training.bytes).toBeGreaterThan(0);
  const wrong = await lowrank([...words.split(" "), "--dry-run", "--target-modules", "q_porj"]);
  expect(wrong.stderr).toContain("did you mean q_proj");
  const own = await lowrank([..."train --model model --data pairs.jsonl --output model --dry-run".split(" ")]);
  expect(own.stderr).toContain("model's own folder");
});
