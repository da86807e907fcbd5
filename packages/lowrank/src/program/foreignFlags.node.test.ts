import { expect, test } from "vitest";
import { runCommand } from "../testing/runCommand.ts";

const train = ["train", "model", "--data", "x.jsonl", "--output", "out"];

test.each([
  [[...train, "--rank", "8"], "--rank is --r in lowrank train"],
  [[...train, "--lora_alpha=16"], "--lora_alpha is --alpha in lowrank train"],
  [[...train, "--target_modules", "q_proj"], "--target_modules is --target-modules in lowrank train"],
  [[...train, "--learning-rate", "1e-3"], "--learning-rate is --lr in lowrank train"],
  [["generate", "model", "--max-tokens", "4"], "--max-tokens is --max-new-tokens in lowrank generate"],
])("an option of another tool is named as it is here: %j", async (words, message) => {
  const { code, stderr } = await runCommand(words);
  expect([code, stderr]).toEqual([1, `error: ${message}\n`]);
});

test("a value that looks like such an option is a value, and words after -- are not options", async () => {
  const missing = "There is no folder nowhere";
  expect((await runCommand(["generate", "nowhere", "--prompt", "--rank"])).stderr).toContain(missing);
  expect((await runCommand(["generate", "--prompt", "x", "--", "nowhere"])).stderr).toContain(missing);
  expect((await runCommand(["generate", "nowhere", "--frobnicate"])).stderr).toContain("unknown option '--frobnicate'");
});
