import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { commandFolder } from "./testing/commandFolder.ts";

const { folder, at, lowrank, process: asProcess } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("errors are one line that says what to do, and leave nothing behind", () => {
  const train = (more: string) => ["train", "--model", "model", "--output", "none", ...more.split(" ")];
  test.each([
    [train("--data missing.txt"), "error: there is no file missing.txt\n"],
    [train("--data text.txt pairs.jsonl"), "error: --data mixes examples (pairs.jsonl) with texts;"],
    [train("--data model"), "error: model is a folder; give the files in it\n"],
    [train("--data text.txt --block-size 999"), "error: --block-size is 999, but the model has 64 positions; give 64"],
    [train("--data text.txt --target-modules q_porj"), "did you mean q_proj for q_porj?"],
    [train("--data missing.txt --resume nowhere"), "error: there is no folder nowhere; --resume takes the folder of a"],
    [train("--data missing.txt --resume none"), "error: there is no folder none; --resume takes the folder of a"],
    [train("--data missing.txt --resume text.txt"), "error: text.txt is a file; --resume takes the folder of a"],
    [
      ["train", "--model", "model", "--data", "text.txt", "--output", "model"],
      "error: --output model is the model's own",
    ],
    [["train", "--model", "nowhere", "--data", "text.txt", "--output", "none"], "error: There is no folder nowhere"],
    [
      ["generate", "--model", "text.txt", "--prompt", "a"],
      "error: text.txt is a file; expected the folder that holds it",
    ],
    [["generate", "--model", "model", "--adapter", "model", "--prompt", "a"], "adapter_config.json"],
    [["generate", "--model", "model", "--prompt", "a", "--max-new-tokens", "99"], "exceed the model's 64 positions"],
    [["merge", "--model", "model", "--adapter", "model", "--output", "none"], "adapter_config.json"],
  ])("%j", async (args, message) => {
    const { code, stdout, stderr } = await lowrank(args);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^((loading|reading) .*\n)*error: .*\n$/);
    expect(stdout).not.toContain("wrote");
    expect(code).toBe(1);
    expect(await readdir(folder)).not.toContain("none");
  });

  test.each([
    [
      train("--data text.txt --r 1.5"),
      "option '--r <n>' argument '1.5' is invalid. Expected a whole number of at least 1.",
    ],
    [train("--data text.txt --lr fast"), "argument 'fast' is invalid. Expected a number above 0."],
    [train("--data text.txt --schedul linear"), "(Did you mean --schedule?)"],
    [train("--data text.txt --steps 3 --epochs 1"), "'--steps <n>' cannot be used with option '--epochs <n>'"],
    [["generate", "--model", "model", "--greedy", "--top-k", "3"], "cannot be used with option"],
    [["trian"], "unknown command 'trian'"],
    [["merge", "--model", "model"], "required option '--adapter <dir>' not specified"],
  ])("%j", async (args, message) => {
    const { code, stderr } = await lowrank(args);
    expect(stderr).toContain(message);
    expect(code).toBe(1);
  });

  test("broken examples are named by line", async () => {
    await writeFile(at("broken.jsonl"), '{"prompt": "a", "completion": "b"}\n{"question": "a"}\n');
    const { code, stderr } = await lowrank(train("--data broken.jsonl"));
    expect(stderr).toContain("broken.jsonl");
    expect(stderr).toContain("found keys question");
    expect(code).toBe(1);
  });

  test("LOWRANK_DEBUG=1 adds the stack", async () => {
    const { stderr } = await lowrank(train("--data missing.txt"), { env: { LOWRANK_DEBUG: "1" } });
    expect(stderr).toContain("checkInputs.ts");
  });
});

// The other tests here run the command in this process.
test.each([
  [[], 1],
  [["generate", "--model", "nowhere", "--prompt", "a"], 1],
])("%j as a process ends with the same code and prints the same", async (args, code) => {
  const outcome = await asProcess.lowrank(args);
  expect(outcome.code).toBe(code);
  expect(outcome).toEqual(await lowrank(args));
});

test.skipIf(Number.parseInt(process.versions.node, 10) >= 26)(
  "--wide-simd on an older Node is a one-line error",
  async () => {
    const { code, stderr } = await lowrank(["generate", "--model", "model", "--prompt", "the", "--wide-simd"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: wasm: --wide-simd needs Node 26 or later on x64, and this is Node .*\n$/);
  },
);

test.each(["train", "generate", "merge", "convert", "report", "compare"])(
  "%s --help has two examples",
  async (command) => {
    const { code, stdout } = await lowrank([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout.match(/^ {2}\$ .*lowrank /gm)?.length).toBe(2);
  },
);

test("--version", async () => {
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, "../package.json"), "utf8"));
  expect((await lowrank(["--version"])).stdout).toBe(`${version}\n`);
});
