import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createProgram } from "../../program/program.ts";
import { runCommand } from "../../testing/runCommand.ts";

let folder: string;
const at = (shell: string) => join(folder, `lowrank.${shell}`);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "lowrank-completion-"));
  for (const shell of ["bash", "zsh", "fish"]) {
    writeFileSync(at(shell), (await runCommand(["completion", shell])).stdout);
  }
  writeFileSync(join(folder, "model.gguf"), "");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const installed = (shell: string) => spawnSync(shell, ["-c", "true"]).status === 0;

function run(shell: string, script: string): string[] {
  const { stdout, stderr, status } = spawnSync(shell, ["-c", script], { encoding: "utf8", cwd: folder });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout.split("\n").filter((line) => line !== "");
}

/** Returns the completions of the last word, for each shell. */
const completers: Readonly<Record<string, (...words: string[]) => string[]>> = {
  bash: (...words) => {
    const given = words.map((word) => `'${word}'`).join(" ");
    return run(
      "bash",
      `source ${at("bash")}; COMP_WORDS=(lowrank ${given}); COMP_CWORD=${words.length}; _lowrank; printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
  },
  fish: (...words) => {
    const found = run("fish", `source ${at("fish")}; complete -C 'lowrank ${words.join(" ")}'`);
    return found.map((line) => line.split("\t")[0]);
  },
};

test.each(Object.keys(completers).filter(installed))("%s completes commands, options and values", (shell) => {
  const complete = completers[shell];
  expect(complete("ins")).toEqual(["inspect"]);
  expect(complete("train", "--grad")).toContain("--gradient-checkpointing");
  expect(complete("eval", "--task", "g")).toEqual(["gsm8k"]);
  expect(complete("plan", "--dtype", "")).toEqual(expect.arrayContaining(["f32", "f16", "bf16"]));
  expect(complete("generate", "--model", "mod")).toEqual(["model.gguf"]);
  expect(complete("completion", "z")).toEqual(["zsh"]);
  expect(complete("help", "mer")).toEqual(["merge"]);
});

test.runIf(installed("zsh"))(
  "zsh takes the script, and hands commands, options and values to its own completion",
  () => {
    // Replacements of zsh's functions, which need a terminal: they print their arguments.
    const stubs = `compdef() { print registered $@ }; _describe() { print -rl -- "\${(@P)2}" }; _arguments() { print -rl -- $@ }`;
    const complete = (...words: string[]) =>
      run(
        "zsh",
        `${stubs}; source ${at("zsh")}; words=(lowrank ${words.join(" ")}); CURRENT=${words.length + 1}; _lowrank`,
      );
    expect(complete("ins")[0]).toBe("registered _lowrank lowrank");
    expect(complete("ins")).toContain("convert:converts a model folder to a GGUF file for llama.cpp, or back");
    const given = complete("eval", "--task", "g");
    expect(given).toContain("*--task[what to measure]:value:(exact-match multiple-choice perplexity gsm8k)");
    expect(given).toContain("*--chat[apply the model's chat template to each prompt]");
    expect(given.find((spec) => spec.startsWith("*--data["))).toMatch(/:value:_files$/);
    expect(complete("completion", "z")).toContain("*:word:(bash zsh fish)");
  },
);

test("every option of every command is in every script", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout } = await runCommand(["completion", shell]);
    for (const command of createProgram([]).commands) {
      for (const { long } of command.options) {
        const flag = shell === "fish" ? `seen_subcommand_from ${command.name()}' -l ${long?.slice(2)} ` : `${long}`;
        expect(stdout).toContain(flag);
      }
    }
  }
});

test("help COMMAND is its --help", async () => {
  const help = await runCommand(["help", "merge"]);
  expect(help).toEqual(await runCommand(["merge", "--help"]));
  expect(help.code).toBe(0);
  expect((await runCommand(["help", "merg"])).code).toBe(1);
});

test("FORCE_COLOR colours errors and help, which pipes have not", async () => {
  const run = (words: string[], colour: string) => runCommand(words, { env: { FORCE_COLOR: colour } });
  expect((await run(["plan", "nothing-known"], "1")).stderr).toContain("\x1b[31merror:\x1b[39m");
  expect((await run(["plan", "--nothing"], "1")).stderr).toContain("\x1b[31merror:\x1b[39m unknown option");
  expect((await run(["plan", "--help"], "1")).stdout).toContain("\x1b[1mUsage:\x1b[22m");
  for (const words of [
    ["plan", "nothing-known"],
    ["plan", "--nothing"],
    ["plan", "--help"],
  ]) {
    const { stdout, stderr } = await run(words, "0");
    expect(stdout + stderr).not.toContain("\x1b");
  }
});
