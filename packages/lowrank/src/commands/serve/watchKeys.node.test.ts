import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LiveKeys } from "@lowrank/serve/http";
import { expect, test } from "vitest";
import { readKeys } from "./serveSettings.ts";
import { watchKeys } from "./watchKeys.ts";

const entry = (id: string) => ({ id, sha256: id.repeat(64) });
const patience = { timeout: 10_000 };

test("a changed key file is read again, and a broken one leaves the keys as they were", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lowrank-keys-"));
  const file = join(folder, "keys.yaml");
  await writeFile(file, JSON.stringify([entry("a"), entry("b")]));
  const keys = new LiveKeys(await readKeys(file));
  const lines: object[] = [];
  const take = (fields: object, message: string) => void lines.push({ ...fields, message });
  const end = watchKeys(file, keys, { info: take, warn: take, error: take }, 50);
  const ids = () => keys.keys.map(({ id }) => id);

  // Replaces the file by a rename, as editors and Kubernetes do, so that no half-written file is read.
  const replace = async (text: string) => {
    await writeFile(join(folder, "next"), text);
    await rename(join(folder, "next"), file);
  };
  await replace(JSON.stringify([entry("b"), entry("c")]));
  await expect.poll(ids, patience).toEqual(["b", "c"]);
  expect(lines.splice(0)).toEqual([{ keys: 2, added: ["c"], removed: ["a"], message: "the keys were read again" }]);

  const kept = { file, message: "the keys were not changed: their file is broken" };
  for (const [broken, reason] of [
    ["- id: [", "correct the YAML"],
    ["- id: a\n", "[0].sha256"],
    ["[]", "too small"],
    [JSON.stringify([entry("a"), entry("a")]), "is the same as another key's"],
  ]) {
    await replace(broken);
    await expect.poll(() => lines.length, patience).toBe(1);
    expect(lines.splice(0)).toEqual([{ ...kept, reason: expect.stringContaining(reason) }]);
    expect(ids()).toEqual(["b", "c"]);
  }
  await rm(file);
  await expect.poll(() => lines.length, patience).toBe(1);
  expect(lines.splice(0)).toEqual([{ ...kept, reason: expect.stringContaining("there is no such file") }]);
  await replace(JSON.stringify([entry("d")]));
  await expect.poll(ids, patience).toEqual(["d"]);
  end();
  await rm(folder, { recursive: true });
}, 60_000);
