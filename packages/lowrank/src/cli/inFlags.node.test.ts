import { OptionError } from "@lowrank/core";
import { ResumeError } from "@lowrank/train";
import { Command } from "commander";
import { expect, test } from "vitest";
import { runCommand } from "../testing/runCommand.ts";
import { flagsOf, inFlags } from "./inFlags.ts";
import { resumeFailure, trainFlag } from "./options/trainFlags.ts";

const flags = (words: readonly string[]) =>
  flagsOf(
    new Command("c")
      .option("--target-modules <which>")
      .option("--peft-config <file>")
      .option("--threads <n>")
      .option("--weights <how>")
      .option("--columns <list>")
      .parse(words, { from: "user" }),
  );
const columns = new OptionError("", "columns", undefined, (named) => `map other keys with ${named("columns")}`);
const weights = new OptionError("", "weights", "packed", (named) => `a.gguf: ${named("weights", "packed")} has none`);

test.each([
  [new OptionError("", "targetModules", ["q"], 'matches no "q"'), '--target-modules matches no "q"'],
  [new OptionError("LoraConfig", "targetModules", [], "is empty"), "--target-modules is empty"],
  [new OptionError("wasm", "threads", 99, "is 99; give fewer"), "--threads is 99; give fewer"],
  [columns, "map other keys with --columns prompt=KEY,completion=KEY"],
  [weights, "a.gguf: --weights packed has none"],
  [new Error(`line 3: ${columns.message}`, { cause: columns }), `line 3: ${inFlags(columns, flags([]))}`],
  // Options that the command lacks, and words of other errors, stay unchanged.
  [new OptionError("LoraConfig", "loraAlpha", 0, "is 0"), "LoraConfig: loraAlpha is 0"],
  [new Error("targetModules is empty"), "targetModules is empty"],
  ["a text", "a text"],
])("%s names flags: %s", (error, expected) => {
  expect(inFlags(error, flags([]))).toBe(expected);
  expect(inFlags(error, () => null)).toBe(error instanceof Error ? error.message : error);
});

test("fields of a file keep their names", () => {
  const error = new OptionError("", "targetModules", [], "is empty");
  expect(inFlags(error, flags(["--peft-config", "a.json"]))).toBe("targetModules is empty");
});

test("commands do so", async () => {
  const { stderr } = await runCommand(["plan", "gpt2", "--target-modules", "q_porj"]);
  expect(stderr).toContain('error: --target-modules ["q_porj"] matches no module of this model');
});

test("options of the trainer, and settings of a checkpoint, have the flags of training", () => {
  const both = new OptionError("Trainer", "batchSize", 0, (named) => `${named("batchSize")}, ${named("learningRate")}`);
  expect(inFlags(both, trainFlag)).toBe("--batch-size, --lr");
  const tooLong = new OptionError("generate", "maxNewTokens", 9, "is too large");
  expect(inFlags(tooLong, trainFlag)).toBe("generate: maxNewTokens is too large");
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
