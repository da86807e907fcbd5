import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nanoModelFolder } from "@lowrank/nano";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { runCommand } from "../../testing/runCommand.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-generate-"));
  await cp(nanoModelFolder, folder, { recursive: true });
  await writeFile(join(folder, "generation_config.json"), JSON.stringify({ do_sample: true, temperature: 3 }));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Returns the text that the command generates after a prompt. */
async function generated(...options: string[]): Promise<string> {
  const common = ["generate", "--model", folder, "--prompt", "print", "--max-new-tokens", "12"];
  const { code, stdout, stderr } = await runCommand([...common, ...options]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

test("--temperature 0 is --greedy, whatever else is asked and the model's makers advise", async () => {
  const greedy = await generated("--greedy");
  expect(greedy.length).toBeGreaterThan(1);
  expect(await generated("--seed", "1")).not.toBe(greedy);
  for (const more of [[], ["--seed", "1"], ["--top-k", "40"], ["--top-p", "0.9"]]) {
    expect(await generated("--temperature", "0", ...more)).toBe(greedy);
  }
});

test("--stop ends the text before a word, and --json tells why it ended", async () => {
  const common = ["generate", "--model", folder, "--prompt", "print the sum of cost and 7\n", "--greedy", "--json"];
  const run = async (...more: string[]) => JSON.parse((await runCommand([...common, ...more])).stdout);
  const whole = await run();
  expect(whole).toMatchObject({ model: folder, adapter: null, text: "print(cost + 7)", finishReason: "stop" });
  const cut = await run("--stop", "zzz", "--stop", " +");
  expect(cut).toMatchObject({ text: "print(cost", finishReason: "stop" });
  expect(cut.newTokens).toBeLessThan(whole.newTokens);
  expect(await run("--max-new-tokens", "2")).toMatchObject({ newTokens: 2, finishReason: "length" });
  const { code, stderr } = await runCommand([...common, "--system", "be brief"]);
  expect([code, stderr]).toEqual([1, "error: --system needs --chat; add it\n"]);
});

test("an answer is as long as the makers advise, or as there is room, and has its time", async () => {
  const short = join(folder, "short");
  await mkdir(short);
  await cp(nanoModelFolder, short, { recursive: true });
  await writeFile(join(short, "generation_config.json"), JSON.stringify({ max_new_tokens: 3 }));
  const run = async (...more: string[]) => {
    const { code, stdout, stderr } = await runCommand(["generate", "--model", short, "--greedy", "--json", ...more]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout);
  };
  const prompt = "print the sum of cost and 7\n";
  expect(await run("--prompt", prompt)).toMatchObject({ newTokens: 3, finishReason: "length" });
  expect(await run("--prompt", prompt, "--max-new-tokens", "4")).toMatchObject({ newTokens: 4 });
  const clock = vi.spyOn(performance, "now").mockReturnValue(5000);
  expect((await run("--prompt", "print")).seconds).toBe(0);
  let now = 0;
  clock.mockImplementation(() => {
    now += 1000;
    return now;
  });
  const { seconds } = await run("--prompt", "print");
  clock.mockRestore();
  expect([Number.isInteger(seconds), seconds > 0]).toEqual([true, true]);
});

test("the prompt may come from stdin, without its last line break", async () => {
  const words = ["generate", "--model", folder, "--greedy", "--json", "--max-new-tokens", "1"];
  const read = async (stdin: string) => JSON.parse((await runCommand(words, { stdin })).stdout).prompt;
  expect([await read("print\n"), await read("print\r\n"), await read("print\n\n")]).toEqual([
    "print",
    "print",
    "print\n",
  ]);
});

test("a missing adapter fails before the model is read", async () => {
  await rm(join(folder, "model.safetensors"));
  const common = ["generate", "--model", folder, "--prompt", "print", "--adapter"];
  const { code, stderr } = await runCommand([...common, join(folder, "none")]);
  expect([code, stderr]).toEqual([1, `error: There is no folder ${join(folder, "none")}; check the path\n`]);
  expect((await runCommand([...common, folder])).stderr).toMatch(/has no adapter_config\.json/);
});
