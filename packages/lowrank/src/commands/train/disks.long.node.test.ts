import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";

const { folder, at, lowrank, succeed } = await commandFolder();
const disks: string[] = [];

/** Mounts a small disk in memory; null if this user may not. */
function disk(name: string, options: string): string | null {
  mkdirSync(at(name));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "none", at(name)], { stdio: "ignore" });
  } catch {
    return null;
  }
  disks.push(at(name));
  return name;
}

const small = disk("small", "size=400k");
const readOnly = disk("readonly", "size=400k,ro");
const can = small !== null && readOnly !== null;

afterAll(async () => {
  for (const path of disks) execFileSync("umount", [path]);
  await rm(folder, { recursive: true, force: true });
});

const words = "train --model model --data text.txt --block-size 32 --batch-size 4 --lr 2e-2 --steps 12 --samples 0";
const train = (output: string, ...more: string[]) => [...words.split(" "), "--output", output, ...more];
const weights = (path: string) => readFile(join(path, "adapter_model.safetensors"), "hex");

test.skipIf(!can)(
  "a disk that is full: the error names file and bytes, and the checkpoint from which the run goes on",
  async () => {
    const { code, stderr } = await lowrank(train("small/run", "--save-every", "1"));
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /error: \S+small\/run\/checkpoint-\d+\.[\w-]+\.part\/\S+: no space is left on the disk for its \d+ bytes/,
    );
    const [, kept] =
      /; (small\/run\/checkpoint-\d+) holds what was trained until then: go on with --resume/.exec(stderr) ?? [];
    expect(await readdir(at(kept))).toContain("adapter_model.safetensors");
    for (const name of await readdir(at("small/run"))) expect(name).not.toMatch(/\.part$/);
    await succeed(train("whole"));
    await succeed(train("elsewhere", "--resume", kept));
    expect(await weights(at("elsewhere"))).toBe(await weights(at("whole")));
    await rm(at("small/run"), { recursive: true });
  },
);

test.skipIf(!can)("a disk that is full at the end: what was trained is kept elsewhere", async () => {
  // Leaves room for the metrics, but not for an adapter.
  await writeFile(at("small/ballast"), new Uint8Array(372 * 1024));
  const { code, stderr } = await lowrank(train("small/late"));
  expect(code).toBe(1);
  expect(stderr).toMatch(/small\/late\/adapter_\S+: no space is left on the disk for its \d+ bytes/);
  const [, kept] = /the trained adapter is in (\S+);/.exec(stderr) ?? [];
  expect(await weights(kept)).toBe(await weights(at("whole")));
  await rm(kept, { recursive: true });
  await writeFile(at("small/ballast"), new Uint8Array(400 * 1024 - 4096)).catch(() => {});
  expect((await lowrank(train("small/none"))).stderr).toMatch(/--output small\/none cannot be written to \(ENOSPC\)/);
});

test.skipIf(!can)("a folder that may not be written to is refused before anything is loaded", async () => {
  const { code, stdout, stderr } = await lowrank(train("readonly"));
  expect(code).toBe(1);
  expect(stderr).toBe(
    "error: --output readonly cannot be written to (EROFS); give a writable folder on a disk with room\n",
  );
  expect(stdout).toBe("");
});

test.skipIf(!can)("a new folder on a read-only disk is reported as such, by each command", async () => {
  for (const words of [train("readonly/new"), "convert --model model --output readonly/new.gguf".split(" ")]) {
    const { code, stderr } = await lowrank(words);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: --output readonly\/new\S* cannot be written to \(EROFS\); give a writable folder on a disk with room/,
    );
  }
  const { stderr } = await lowrank("report model --output readonly/new/report.md".split(" "));
  expect(stderr).toMatch(/^error: EROFS: read-only file system, mkdir '\S+readonly\/new'\n$/);
});

test.skipIf(!can)("a report on a full disk: the error names the file, and nothing is left there", async () => {
  await writeFile(at("small/ballast"), new Uint8Array(400 * 1024)).catch(() => {});
  const { code, stderr } = await lowrank("report model --output small/report.html".split(" "));
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^error: \S*small\/report\.html\S*: no space is left on the disk for its \d+ bytes; make room/,
  );
  expect((await readdir(at("small"))).filter((name) => name.startsWith("report"))).toEqual([]);
  await rm(at("small/ballast"));
});

test("symbolic links: the model's own folder is seen, and another place is written to", async () => {
  await symlink(at("model"), at("link-to-model"));
  const refused = await lowrank(train("link-to-model"));
  expect(refused.stderr).toBe("error: --output link-to-model is the model's own folder; give another one\n");
  await symlink(at("place"), at("link"));
  mkdirSync(at("place"));
  await succeed(train("link", "--save-every", "12"));
  expect(await readdir(at("place"))).toContain("report.html");
  expect(await weights(at("place/checkpoint-12"))).toBe(await weights(at("place")));
});
