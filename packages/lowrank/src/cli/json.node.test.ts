import { fileURLToPath } from "node:url";
import { nanoModelFolder } from "@lowrank/nano";
import { expect, test, vi } from "vitest";
import { createProgram } from "../program/program.ts";
import { runCommand } from "../testing/runCommand.ts";
import { beginJson, printJson, printJsonError, printsJson } from "./json.ts";

const nano = fileURLToPath(nanoModelFolder);

/** Commands that run until they are stopped, and print a log. */
const servers = ["serve", "worker"];

test("every command that ends takes --json", () => {
  const without = createProgram([]).commands.filter(
    (command) => !command.options.some(({ long }) => long === "--json"),
  );
  expect(without.map((command) => command.name()).filter((name) => !servers.includes(name))).toEqual([]);
});

test.each([
  [["generate", nano, "--system", "be brief", "--prompt", "x"], "--system needs --chat; add it"],
  [
    ["generate", nano, "--prompt", "x", "--top-k", "many"],
    "option '--top-k <k>' argument 'many' is invalid. Expected a whole number of at least 0.",
  ],
  [["plan", "nothing-known"], "nothing-known"],
  [["merge", "--adapter", "a", "--output", "b"], "required option '--model <path>' not specified"],
])("lowrank %j fails with an object on stdout, and in words on stderr", async (words, message) => {
  const { code, stdout, stderr } = await runCommand([...words, "--json"]);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toEqual({ error: { message: expect.stringContaining(message) } });
  expect(stderr).toContain(`error: ${JSON.parse(stdout).error.message.split("\n")[0]}`);
});

test("without --json nothing of it is on stdout", async () => {
  expect(await runCommand(["plan", "nothing-known"])).toMatchObject({ code: 1, stdout: "" });
});

test("an error is printed as the object, unless the run has printed one", () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
  try {
    beginJson();
    printJsonError("a");
    printJsonError("b");
    beginJson();
    printJson({ c: [1] });
    printJsonError("d");
    expect(log.mock.calls).toEqual([['{\n  "error": {\n    "message": "a"\n  }\n}'], ['{\n  "c": [\n    1\n  ]\n}']]);
  } finally {
    log.mockRestore();
  }
});

test("--json counts before -- alone", () => {
  expect([["x", "--json"], ["x", "--json", "--"], ["--", "--json"], ["--json", "--"], ["x"]].map(printsJson)).toEqual([
    ...[true, true, false, true, false],
  ]);
});
