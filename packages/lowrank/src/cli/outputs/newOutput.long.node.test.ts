import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseTemporaryName, temporaryName, writingId } from "@lowrank/files/internal/disk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";

const { folder, at, lowrank, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeAll(async () => {
  await succeed("train --model model --data text.txt --steps 2 --samples 0 --output adapter".split(" "));
  await succeed("convert --model model --output model.gguf --dtype f32".split(" "));
});

const commands = [
  ["merge --model model --adapter adapter --output", "out-merge", "config.json"],
  ["merge --model model --adapter adapter --output", "out-merge.gguf", null],
  ["convert --model model.gguf --output", "out-convert", "config.json"],
  ["convert --model model --output", "out-convert.gguf", null],
  ["inspect --model model --adapter adapter --compress 2 --output", "out-inspect", "adapter_config.json"],
] as const;
/** The temporary names in the folder. */
const temporary = async () => (await readdir(folder)).filter((name) => parseTemporaryName(name));

describe.each(commands)("%s %s", (start, output, seal) => {
  const words = [...start.split(" "), output];
  const holds = () => (seal === null ? readFile(at(output), "hex") : readFile(join(at(output), seal), "hex"));

  test("refuses an existing output, and replaces it with --overwrite", async () => {
    await succeed(words);
    const first = await holds();
    const again = await lowrank(words);
    expect(again).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: --output out\S+ (is not empty|exists)/),
    });
    expect(again.stderr).toContain("--overwrite\n");
    await succeed([...words, "--overwrite"]);
    expect(await holds()).toBe(first);
    expect(await temporary()).toEqual([]);
    await rm(at(output), { recursive: true });
  });
});

test("killed between the two renames of --overwrite: the next command puts the old one back", async () => {
  await cp(at("adapter"), at("kept"), { recursive: true });
  const id = writingId().replace(/-[0-9a-z]+-[0-9a-z]+-/, "-zzzzz-1-");
  await cp(at("kept"), at(temporaryName("kept", id, "old")), { recursive: true });
  await mkdir(at(temporaryName("kept", id, "part")));
  await rm(at("kept"), { recursive: true });
  const refused = await lowrank("inspect --model model --adapter adapter --compress 2 --output kept".split(" "));
  expect(refused.stderr).toContain("--output kept is not empty");
  expect(await readdir(at("kept"))).toEqual(await readdir(at("adapter")));
  expect(await temporary()).toEqual([]);
});

test("two commands with one output: the later one names the writing process", async () => {
  const name = temporaryName("busy", writingId(), "part");
  await mkdir(at(name));
  const { code, stderr } = await lowrank("merge --model model --adapter adapter --output busy".split(" "));
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `error: --output busy is being written by process ${process.pid}; wait for it, or give another name\n`,
  });
  expect(await readdir(folder)).toContain(name);
  await rm(at(name), { recursive: true });
});

test("--overwrite replaces only models and adapters, and never the command's own inputs", async () => {
  await mkdir(at("photos"));
  await writeFile(at("photos/1.jpg"), "");
  const merge = (output: string) =>
    lowrank(["merge", "--model", "model", "--adapter", "adapter", "--overwrite", "--output", output]);
  expect((await merge("photos")).stderr).toContain("and --output photos has neither (it holds 1.jpg)");
  expect((await merge("model")).stderr).toContain("--output model is the model's own folder");
  expect((await merge("adapter")).stderr).toContain("--output adapter is the adapter's own folder");
  expect((await merge("text.txt")).stderr).toContain("--output text.txt is a file");
  expect(await readdir(at("photos"))).toEqual(["1.jpg"]);
});

test("a link to an empty folder stays a link", async () => {
  await mkdir(at("place"));
  await symlink(at("place"), at("link"));
  await succeed("merge --model model --adapter adapter --output link".split(" "));
  expect(await readdir(at("place"))).toContain("config.json");
});
