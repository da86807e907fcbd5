import { spawn } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseTemporaryName } from "@lowrank/files/internal/disk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";

const { folder, at, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeAll(async () => {
  await succeed("train --model model --data text.txt --steps 2 --samples 0 --output adapter".split(" "));
  await succeed("convert --model model --output model.gguf --dtype f32".split(" "));
});

const commands = [
  ["merge --model model --adapter adapter --output", "out-merge"],
  ["merge --model model --adapter adapter --output", "out-merge.gguf"],
  ["convert --model model.gguf --output", "out-convert"],
  ["convert --model model --output", "out-convert.gguf"],
  ["inspect --model model --adapter adapter --compress 2 --output", "out-inspect"],
] as const;
const kill = ["--import", join(import.meta.dirname, "../../testing/killAtRename.ts")];

/** Runs the command in a process that is killed before or after its nth rename or link. */
function killed(words: readonly string[], moment: string): Promise<NodeJS.Signals | null> {
  const bin = join(import.meta.dirname, "../../bin.ts");
  const child = spawn(process.execPath, [...kill, bin, ...words], {
    cwd: folder,
    env: { ...process.env, KILL_AT_RENAME: moment },
    stdio: "ignore",
  });
  return new Promise((resolve) => child.on("close", (_, signal) => resolve(signal)));
}

/** The temporary names in the folder. */
const temporary = async () => (await readdir(folder)).filter((name) => parseTemporaryName(name));

/** Commands that are also killed before their first rename. The others write folders and files in the same way. */
const killedTwice: readonly string[] = ["out-merge", "out-merge.gguf"];

test.each(commands)(
  "%s %s, killed before the rename: the output is absent, and the same command succeeds",
  async (start, output) => {
    const words = [...start.split(" "), output];
    for (const moment of [...(killedTwice.includes(output) ? ["1 before"] : []), "2 before"]) {
      expect(await killed(words, moment)).toBe("SIGKILL");
      expect(await readdir(folder)).not.toContain(output);
    }
    expect(await temporary()).toHaveLength(1);
    await succeed([...words, "--overwrite"]);
    expect(await temporary()).toEqual([]);
    await rm(at(output), { recursive: true });
  },
);
