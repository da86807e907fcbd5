import { ResumeError } from "@lowrank/train";
import { Command } from "commander";
import { expect, test } from "vitest";
import { runCommand } from "../testing/runCommand.ts";
import { inFlags } from "./inFlags.ts";
import { resumeFailure, withFlags } from "./options/trainFlags.ts";

const command = (words: readonly string[]) =>
  new Command("c")
    .option("--target-modules <which>")
    .option("--peft-config <file>")
    .option("--threads <n>")
    .option("--columns <list>")
    .parse(words, { from: "user" });

test.each([
  ['targetModules ["q"] matches no module', '--target-modules ["q"] matches no module'],
  ["LoraConfig: targetModules is empty", "--target-modules is empty"],
  ["wasm: threads is 99; give fewer", "--threads is 99; give fewer"],
  ["map other keys with the option columns", "map other keys with --columns prompt=KEY,completion=KEY"],
  // Options that the command lacks, names in quotes, and parts of other words stay unchanged.
  ["loraAlpha is 0", "loraAlpha is 0"],
  ['the file has "targetModules"', 'the file has "targetModules"'],
  ["config.targetModules is empty", "config.targetModules is empty"],
])("%j names flags: %j", (message, expected) => {
  expect(inFlags(message, command([]))).toBe(expected);
  expect(inFlags(message, null)).toBe(message);
});

test("fields of a file keep their names", () => {
  expect(inFlags("targetModules is empty", command(["--peft-config", "a.json"]))).toBe("targetModules is empty");
});

test("commands do so", async () => {
  const { stderr } = await runCommand(["plan", "gpt2", "--target-modules", "q_porj"]);
  expect(stderr).toContain('error: --target-modules ["q_porj"] matches no module of this model');
});

test("options of the trainer, and settings of a checkpoint, have the flags of training", () => {
  expect(withFlags("Trainer: batchSize is 0, and maxSteps is 3")).toBe("--batch-size is 0, and maxSteps is 3");
  expect(withFlags("gradientAccumulationSteps and learningRate")).toBe("--accumulate and --lr");
  const names = ["seed", "adapter_config.json: lora_alpha", "adapter_config.json: use_dora", "maxSteps", "arithmetic"];
  const error = new ResumeError(
    "run",
    names.map((name) => ({ name, now: 2, saved: 1 })),
  );
  const failure = resumeFailure("out", error) as Error;
  const words = [
    "--seed",
    "--alpha",
    "--use-dora",
    "--steps (or --epochs)",
    "the backend's arithmetic (--backend, --wide-simd, processor)",
  ];
  expect(failure.message).toBe(
    `--resume out is of another run: ${words.map((word) => `${word} is 2, and 1 in the checkpoint`).join("; ")}; give the same, or --allow-changes`,
  );
  expect(failure.cause).toBe(error);
  const other = new Error("other");
  expect(resumeFailure("out", other)).toBe(other);
});
