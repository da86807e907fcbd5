import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { parseTemporaryName, temporaryName, writingId } from "@lowrank/files/internal/disk";
import { afterAll, describe, expect, test, vi } from "vitest";
import { checkOutput, shellWord } from "../output.ts";
import { clearLeftovers } from "./clearLeftovers.ts";
import { withNewOutput } from "./newOutput.ts";

const folder = await mkdtemp(join(tmpdir(), "lowrank-outputs-"));
afterAll(() => rm(folder, { recursive: true }));
const at = (...names: string[]) => join(folder, ...names);

/** Writes files by their paths in the folder. */
async function files(contents: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(contents)) {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), text);
  }
}

/** Writes a file "a" of a new output. Returns the names in the output, or the message of the error. */
async function write(output: string, overwrite?: boolean, meanwhile?: () => Promise<unknown>): Promise<unknown> {
  const work = async (target: { folder: string; place(): Promise<void> }) => {
    await writeFile(join(target.folder, "a"), "new");
    await meanwhile?.();
    await target.place();
    return readdir(at(output));
  };
  return withNewOutput({ output: at(output), overwrite }, work).catch((error) => error.message);
}

const temporary = async (path = folder) => (await readdir(path)).filter((name) => parseTemporaryName(name));

describe("a new output", () => {
  test("is a folder that was not there, or an empty one", async () => {
    expect(await write("new/run")).toEqual(["a"]);
    await mkdir(at("empty"));
    expect(await write("empty")).toEqual(["a"]);
    await mkdir(at("place"));
    await symlink(at("place"), at("link"));
    expect(await write("link")).toEqual(["a"]);
    expect(await readdir(at("place"))).toEqual(["a"]);
    expect(await temporary()).toEqual([]);
  });

  test("is refused if the folder has files, unless it is replaced and has a model or an adapter", async () => {
    const names = ["1", "2", "3", "4", "5", "6"];
    await files(Object.fromEntries(names.map((name) => [`full/${name}`, ""])));
    const held = "(it holds 1, 2, 3, 4, 5)";
    expect(await write("full")).toBe(
      `--output ${at("full")} is not empty ${held}; give another folder, or --overwrite`,
    );
    expect(await write("full", true)).toBe(
      `--overwrite replaces only folders with a model or an adapter, and --output ${at("full")} has neither ${held}; empty it first`,
    );
    for (const name of ["config.json", "adapter_config.json"]) {
      await files({ [`model/${name}`]: "", "model/b": "" });
      expect(await write("model", true)).toEqual(["a"]);
      await rm(at("model"), { recursive: true });
    }
    await writeFile(at("file"), "");
    expect(await write("file")).toBe(`--output ${at("file")} exists; give another name, or --overwrite`);
    await mkdir(at("folder.gguf"));
    expect(await write("folder.gguf")).toBe(`--output ${at("folder.gguf")} is a folder; give a new file`);
    expect(await write("file/inner")).toBe(
      `--output ${at("file/inner")} cannot be written to (ENOTDIR); give a writable folder on a disk with room`,
    );
  });

  test("may be one file, which replaces an old one only if asked", async () => {
    const place = (overwrite?: boolean) =>
      withNewOutput({ output: at("one.gguf"), overwrite }, async (target) => {
        await writeFile(join(target.folder, "x"), `${overwrite}`);
        await target.place("x");
        return readFile(at("one.gguf"), "utf8");
      }).catch((error) => error.message);
    expect(await place()).toBe("undefined");
    expect(await place()).toContain("one.gguf exists; give another name, or --overwrite");
    expect(await place(true)).toBe("true");
    expect(await temporary()).toEqual([]);
  });

  test("that cannot be placed leaves the old one, or none", async () => {
    const place = (output: string) =>
      withNewOutput({ output: at(output), overwrite: true }, ({ place }) => place("missing")).catch(
        ({ message }) => message,
      );
    await files({ "old/config.json": "old" });
    expect(await place("old")).toMatch(/ENOENT.*missing/);
    expect(await readdir(at("old"))).toEqual(["config.json"]);
    expect(await place("absent")).toMatch(/ENOENT.*missing/);
    expect([existsSync(at("absent")), await temporary()]).toEqual([false, []]);
  });

  test("that another process wrote meanwhile stays as it is", async () => {
    const message = `--output ${at("raced")} was written by another process while this command ran; give another name`;
    expect(await write("raced", false, () => files({ "raced/other": "" }))).toContain(message);
    expect(await readdir(at("raced"))).toEqual(["other"]);
    const file = withNewOutput({ output: at("raced.gguf") }, async (target) => {
      await writeFile(join(target.folder, "x"), "new");
      await writeFile(at("raced.gguf"), "other");
      await target.place("x");
    });
    await expect(file).rejects.toThrow("raced.gguf was written by another process");
    expect(await readFile(at("raced.gguf"), "utf8")).toBe("other");
    const id = `${writingId().split("-").slice(0, 3).join("-")}-00000000`;
    await mkdir(at(temporaryName("busy", id, "part")));
    expect(await write("busy")).toBe(
      `--output ${at("busy")} is being written by process ${process.pid}; wait for it, or give another name`,
    );
    await rm(at(temporaryName("busy", id, "part")), { recursive: true });
  });

  test("leaves nothing if its work fails, or if a signal ends the process", async () => {
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    const before = signals.map((signal) => process.listenerCount(signal));
    const fail = () => Promise.reject(new Error("no"));
    expect(await write("failed", false, fail)).toBe("no");
    expect([existsSync(at("failed")), await temporary()]).toEqual([false, []]);
    const exit = vi.spyOn(process, "exit").mockImplementation((() => undefined) as never);
    await withNewOutput({ output: at("ended") }, async (target) => {
      const [end] = process.listeners("SIGHUP").slice(-1) as ((signal: string) => void)[];
      await writeFile(join(target.folder, "a"), "");
      end("SIGHUP");
      end("SIGINT");
      expect(existsSync(target.folder)).toBe(false);
    });
    expect(exit.mock.calls).toEqual([[129], [130]]);
    exit.mockRestore();
    expect(signals.map((signal) => process.listenerCount(signal))).toEqual(before);
  });

  test("that was moved away by a process that died is restored first", async () => {
    const dead = writingId().replace(/-[0-9a-z]+-[0-9a-z]+-/, "-zzzzz-1-");
    await files({ [`${temporaryName("moved", dead, "old")}/config.json`]: "", "other.txt": "" });
    expect(await write("moved")).toContain("moved is not empty (it holds config.json)");
    expect(await write("moved", true)).toEqual(["a"]);
  });
});

test("a folder that is read, or a file, is no output", async () => {
  await files({ "read/a": "" });
  await symlink(at("read"), at("read-link"));
  for (const name of ["read", "read-link"]) {
    await expect(checkOutput(at(name), at("read"))).rejects.toThrow(
      `${at(name)} is the model's own folder; give another`,
    );
  }
  await expect(checkOutput(at("read/b/c"), at("read-link/b/c"), "adapter")).rejects.toThrow(
    "is the adapter's own folder",
  );
  await expect(checkOutput(at("read/a"), at("b"))).rejects.toThrow(`--output ${at("read/a")} is a file; give a folder`);
  await checkOutput(at("read"), at("b"));
  await checkOutput(at("none"), at("read"));
  expect(["a/b.c-d", "a b", "it's"].map(shellWord)).toEqual(["a/b.c-d", "'a b'", "'it'\\''s'"]);
});

describe("leftovers of a run that died", () => {
  const [whole, torn] = ["0000-1-1-00000001", "0000-1-1-00000002"];

  test("are placed if all new files were written, those that complete a folder last, and removed otherwise", async () => {
    const names = ["adapter_config.json", "config.json", "model.safetensors"];
    await mkdir(at("run"));
    for (const name of names) await files({ [`run/${name}`]: "old", [`run/${name}.${whole}.part`]: "new" });
    await files({ [`run/model.safetensors.${whole}.old`]: "older", [`run/notes.${torn}.part`]: "torn" });
    await files({ [`run/notes.${torn}.old/a`]: "", "run/kept": "" });
    await clearLeftovers(at("run"));
    expect((await readdir(at("run"))).sort()).toEqual([...names, "kept"].sort());
    for (const name of names) expect(await readFile(at("run", name), "utf8")).toBe("new");
    const times = await Promise.all(names.map(async (name) => (await stat(at("run", name), { bigint: true })).ctimeNs));
    expect(times[2] <= times[1] && times[1] <= times[0]).toBe(true);
  });

  test("are placed as a checkpoint if it is whole", async () => {
    const checkpoint = (name: string, text: string, of = text) =>
      files({
        [`runs/${name}/weights`]: text,
        [`runs/${name}/trainer_state.json`]: JSON.stringify({
          files: { weights: { bytes: of.length, crc32: crc32(of) } },
        }),
      });
    await checkpoint("checkpoint-8", "old");
    await checkpoint(`checkpoint-8.${whole}.part`, "new");
    await checkpoint(`checkpoint-9.${torn}.part`, "cut", "whole");
    await checkpoint(`checkpoint-7.${whole}.old`, "older");
    await clearLeftovers(at("runs"));
    expect(await readdir(at("runs"))).toEqual(["checkpoint-8"]);
    expect(await readFile(at("runs/checkpoint-8/weights"), "utf8")).toBe("new");
  });
});
