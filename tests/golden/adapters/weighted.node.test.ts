import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, init, openSafetensors, reference, writeSafetensors } from "@lowrank/core";
import { folderFiles } from "@lowrank/files";
import { goldenFolder } from "@lowrank/test-support/folders";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Check } from "../check/compare.ts";
import { weighted } from "./weighted.ts";

const folder = mkdtempSync(join(tmpdir(), "lowrank-golden-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => init(reference()));

async function all(dir: string): Promise<Check[]> {
  const found: Check[] = [];
  for await (const part of weighted(await folderFiles(dir))) for await (const check of part.checks()) found.push(check);
  return found;
}

/** Copies the golden data under other names of the adapters, the model and the combined adapter. */
async function renamed(): Promise<void> {
  const names: Record<string, string> = { a: "first", b: "second" };
  mkdirSync(join(folder, "models"));
  cpSync(join(goldenFolder, "models", "gpt2"), join(folder, "models", "another"), { recursive: true });
  cpSync(join(goldenFolder, "models", "bert-cls"), join(folder, "models", "classifier"), { recursive: true });
  cpSync(join(goldenFolder, "models", "llama"), join(folder, "models", "the-base"), { recursive: true });
  for (const [old, name] of Object.entries(names)) {
    cpSync(join(goldenFolder, "weighted", old), join(folder, "weighted", name), { recursive: true });
  }
  const bytes = new Uint8Array(readFileSync(join(goldenFolder, "weighted", "golden.safetensors")));
  const file = await openSafetensors(bytesSource(bytes), "golden.safetensors");
  const entries = await Promise.all(
    file.names().map(async (key) => {
      const { bytes, dtype, shape } = await file.read(key);
      const logits = /^logits\.(.+)$/.exec(key)?.[1] ?? "";
      const name = Object.hasOwn(names, logits)
        ? `logits.${names[logits]}`
        : key.replace(".c.weight", ".joined.weight");
      return { name, dtype, shape, bytes: bytes.slice() };
    }),
  );
  writeFileSync(join(folder, "weighted", "golden.safetensors"), writeSafetensors(entries));
}

it("takes the names of adapters and of their model from the folder", async () => {
  await renamed();
  const [own, other] = [await all(goldenFolder), await all(folder)];
  for (const { name, error } of [...own, ...other]) expect(error, name).toBeUndefined();
  expect(own.map(({ name }) => name)).toContain("weighted logits.a");
  expect(other.map(({ name }) => name)).toContain("weighted logits.second");
  expect(other.length).toBe(own.length);
});

it("says so where no model gives the adapters' base logits", async () => {
  rmSync(join(folder, "models", "the-base"), { recursive: true });
  expect((await all(folder)).map(({ error }) => error)).toEqual([expect.stringContaining("gives logits.base")]);
});
