import { fileURLToPath } from "node:url";
import { nanoModelFolder } from "@lowrank/nano";
import { expect, test } from "vitest";
import { createProgram } from "../program/program.ts";
import { runCommand } from "../testing/runCommand.ts";

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
  [["generate", nano, "--system", "be brief", "--prompt", "x"], "--system is for chats; add --chat"],
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
