import { expect, test } from "vitest";
import { runCommand } from "../testing/runCommand.ts";

const train = ["train", "model", "--data", "x.jsonl", "--output", "out"];

test.each([
  [[...train, "--rank", "8"], "lowrank train has no option --rank; use --r"],
  [[...train, "--lora_alpha=16"], "lowrank train has no option --lora_alpha; use --alpha"],
  [[...train, "--target_modules", "q_proj"], "lowrank train has no option --target_modules; use --target-modules"],
  [[...train, "--learning-rate", "1e-3"], "lowrank train has no option --learning-rate; use --lr"],
  [["generate", "model", "--max-tokens", "4"], "lowrank generate has no option --max-tokens; use --max-new-tokens"],
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
