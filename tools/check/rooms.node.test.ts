import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { folderOf, rooms } from "./rooms.ts";

const root = resolve(import.meta.dirname, "../..");

/** Writes files to a new folder and returns the errors that dependency-cruiser prints about them. */
async function errorsOf(files: Readonly<Record<string, string>>): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "lowrank-rooms-"));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const command = join(root, "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs");
  const config = join(root, ".dependency-cruiser.mjs");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [command, "--config", config, "packages", "assembly", "tests", "tools"],
    {
      cwd: folder,
    },
  ).catch((failed: { stdout: string }) => failed);
  await rm(folder, { recursive: true });
  expect(stdout).toMatch(/ \d+ modules, \d+ dependencies cruised/);
  return stdout.split("\n").flatMap((line) => line.match(/^ *error (.*)$/)?.slice(1) ?? []);
}

const importing = (path: string) => `import type { Shape } from "${path}";\nexport type Other = Shape;\n`;
const shape = "export interface Shape {}\n";

it("imports of higher rooms and files outside the rooms are refused", async () => {
  const errors = await errorsOf({
    "packages/core/src/index.ts": shape,
    "packages/core/src/layout/shape.ts": shape,
    "packages/core/src/engine/tensor.ts": `${shape}${importing("../layout/shape.ts")}`,
    "packages/core/src/layout/same.ts": importing("./shape.ts"),
    "packages/core/src/layout/tested.test.ts": importing("../engine/tensor.ts"),
    "packages/core/src/layout/up.ts": importing("../engine/tensor.ts"),
    "packages/core/src/layout/entry.ts": importing("../index.ts"),
    "packages/core/src/attic/old.ts": importing("../layout/shape.ts"),
    "packages/peft/src/methods/index.ts": shape,
    "packages/peft/src/methods/lora/lora.ts": `${shape}${importing("../index.ts")}`,
    "packages/peft/src/methods/shared/draws.ts": importing("../lora/lora.ts"),
    "packages/peft/src/methods/sharedVectors/vera.ts": importing("../lora/lora.ts"),
    "packages/peft/src/methods/vectors/suite.test.ts": importing("../../../../../tests/golden/check/compare.ts"),
    "packages/peft/src/methods/vectors/helped.test.ts": importing("../../../../../tests/support/random.ts"),
    "packages/peft/src/methods/vectors/helped.ts": importing("../../../../../tests/support/random.ts"),
    "packages/peft/src/methods/vectors/tool.ts": importing("../../../../../tools/check/rooms.ts"),
    "tests/support/random.ts": shape,
    "tests/golden/check/compare.ts": shape,
    "tests/golden/ops/ops.ts": importing("../check/compare.ts"),
    "tests/golden/check/up.ts": importing("../../soak/run.ts"),
    "tests/soak/run.ts": shape,
    "tools/check/rooms.ts": shape,
    "assembly/index.ts": shape,
    "assembly/gemm/gemm.ts": `${shape}${importing("../simd/lanes")}`,
    "assembly/simd/lanes.ts": `${shape}${importing("../gemm/gemm")}`,
  });
  expect(errors.map((error) => error.replace(/packages\/\w+\/src\//g, "")).sort()).toEqual([
    "assembly/simd: assembly/simd/lanes.ts → assembly/gemm/gemm.ts",
    "core/layout: layout/entry.ts → index.ts",
    "core/layout: layout/up.ts → engine/tensor.ts",
    "core: outside the rooms: attic/old.ts → layout/shape.ts",
    "packages: helpers of tests: methods/vectors/helped.ts → tests/support/random.ts",
    "packages: no suite and no tool: methods/vectors/suite.test.ts → tests/golden/check/compare.ts",
    "packages: no suite and no tool: methods/vectors/tool.ts → tools/check/rooms.ts",
    "peft/methods/lora: methods/lora/lora.ts → methods/index.ts",
    "peft/methods/shared: methods/shared/draws.ts → methods/lora/lora.ts",
    "tests/golden/check: tests/golden/check/up.ts → tests/soak/run.ts",
  ]);
});

it.each(Object.entries(rooms))("each room of %s is a folder", async (name, listed) => {
  for (const room of Object.keys(listed))
    await expect(readdir(join(root, folderOf(name), room))).resolves.not.toEqual([]);
});
