import { existsSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { bytesSource, openSafetensors, type SafetensorsTensor, writeSafetensors } from "./index.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const shared = process.env.LOWRANK_SHARED ?? join(root, "../shared");
const golden = [join(root, "golden"), join(shared, "golden")].find((folder) => existsSync(join(folder, "adapters")));
const files = golden
  ? (await readdir(golden, { recursive: true })).filter((file) => file.endsWith(".safetensors")).sort()
  : [];

describe.skipIf(!golden)("golden files", () => {
  it("are there", () => {
    expect(files.filter((file) => file.endsWith("adapter_model.safetensors")).length).toBeGreaterThan(40);
  });

  it.each(files)("%s is written again byte for byte", async (path) => {
    const bytes = new Uint8Array(readFileSync(join(golden!, path)));
    const file = await openSafetensors(bytesSource(bytes), path);
    const tensors: SafetensorsTensor[] = [];
    for (const name of file.names().reverse()) tensors.push({ name, ...(await file.readStored(name)) });
    const metadata = Object.keys(file.metadata).length > 0 ? file.metadata : undefined;
    expect(Buffer.compare(writeSafetensors(tensors, metadata), bytes)).toBe(0);
  });
});
