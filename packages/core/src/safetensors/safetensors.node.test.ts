import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { goldenFolder } from "@lowrank/test-support/folders";
import { describe, expect, it } from "vitest";
import { bytesSource, openSafetensors, type SafetensorsTensor, writeSafetensors } from "./index.ts";

const files = (await readdir(goldenFolder, { recursive: true })).filter((file) => file.endsWith(".safetensors")).sort();

describe("golden files", () => {
  it("are there", () => {
    expect(files.filter((file) => file.endsWith("adapter_model.safetensors")).length).toBeGreaterThan(40);
  });

  it.each(files)("%s is written again byte for byte", async (path) => {
    const bytes = new Uint8Array(readFileSync(join(goldenFolder, path)));
    const file = await openSafetensors(bytesSource(bytes), path);
    const tensors: SafetensorsTensor[] = [];
    for (const name of file.names().reverse()) tensors.push({ name, ...(await file.readStored(name)) });
    const metadata = Object.keys(file.metadata).length > 0 ? file.metadata : undefined;
    expect(Buffer.compare(writeSafetensors(tensors, metadata), bytes)).toBe(0);
  });
});
