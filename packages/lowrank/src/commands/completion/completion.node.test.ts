import { Argument, Command, Option } from "commander";
import { expect, test } from "vitest";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { programWords } from "./programWords.ts";
import { zshScript } from "./zsh.ts";

const program = new Command("lowrank");
program
  .command("one")
  .description("does it")
  .addArgument(new Argument("<shell>", "which").choices(["a", "b"]))
  .option("--model <path>", "the model; a folder")
  .addOption(new Option("--kind <name>", "which (default: x)").choices(["x", "y"]))
  .addOption(new Option("--secret", "not shown").hideHelp())
  .option("--seed <n>", "it's a [number]: any")
  .option("-q", "short alone")
  .option("--quiet", "print less");
program.command("two").summary("short").description("long").argument("<model>", "a file");
program.command("three").summary("none");
const commands = programWords(program);

test("a command has the options that are shown, each with what its value may be", () => {
  const help = { flag: "--help", help: "display help for command", value: null };
  expect(commands).toEqual([
    {
      ...{ name: "one", summary: "does it", words: { kind: "choices", values: ["a", "b"] } },
      options: [
        { flag: "--model", help: "the model", value: { kind: "files" } },
        { flag: "--kind", help: "which", value: { kind: "choices", values: ["x", "y"] } },
        { flag: "--seed", help: "it's a [number]", value: { kind: "free" } },
        { flag: "--quiet", help: "print less", value: null },
        help,
      ],
    },
    { name: "two", summary: "short", words: { kind: "files" }, options: [help] },
    { name: "three", summary: "none", words: { kind: "free" }, options: [help] },
    {
      ...{ name: "help", summary: "display help for command", options: [help] },
      words: { kind: "choices", values: ["one", "two", "three", "help"] },
    },
  ]);
});

test("bash offers files, choices or nothing", () => {
  const script = bashScript(commands);
  const files = 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))';
  expect(script).toContain(`    "one --model") ${files}; return;;\n`);
  expect(script).toContain('    "one --kind") COMPREPLY=($(compgen -W "x y" -- "$cur")); return;;\n');
  expect(script).toContain('    "one --seed") :; return;;\n');
  expect(script).not.toContain('"one --quiet")');
  expect(script).toContain('(compgen -W "--model --kind --seed --quiet --help" -- "$cur")); else COMPREPLY=');
  expect(script).toContain(`else ${files}; fi;;\n    three)`);
});

test("zsh offers files, choices or nothing", () => {
  const script = zshScript(commands);
  expect(script).toContain("    'one:does it'\n    'two:short'\n");
  const options = "'*--model[the model]:value:_files' '*--kind[which]:value:(x y)'";
  const others =
    "'*--seed[it'\\''s a \\[number\\]]:value: ' '*--quiet[print less]' '*--help[display help for command]'";
  expect(script).toContain(`    one) _arguments ${options} ${others} '*:word:(a b)';;\n`);
  expect(script).toContain("    two) _arguments '*--help[display help for command]' '*:word:_files';;\n");
  expect(script).toContain("    three) _arguments '*--help[display help for command]';;\n");
});

test("fish offers files, choices or nothing", () => {
  const script = fishScript(commands);
  const here = (name: string) => `complete -c lowrank -n '__fish_seen_subcommand_from ${name}'`;
  expect(script).toContain("complete -c lowrank -n __fish_use_subcommand -f -a one -d 'does it'\n");
  for (const line of [
    ...[`${here("one")} -l model -r -F -d 'the model'`, `${here("one")} -l kind -x -a 'x y' -d 'which'`],
    ...[`${here("one")} -l seed -x -d 'it\\'s a [number]'`, `${here("one")} -l quiet -d 'print less'`],
    ...[`${here("one")} -f -a 'a b'`, `${here("three")} -f`],
  ]) {
    expect(script).toContain(`${line}\n`);
  }
  expect(script).not.toContain(`${here("two")} -f\n`);
});
