import { folderFiles } from "@lowrank/files";
import { findChromium } from "@lowrank/test-support/chromium";
import { goldenFolder } from "@lowrank/test-support/folders";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { expect, it } from "vitest";
import type { Check } from "./check/compare.ts";
import { exceptionOf } from "./check/exceptions.ts";
import { checksInChromium } from "./inChromium/checksInChromium.ts";
import { namedBackend } from "./parts/backends.ts";
import { checksOn } from "./parts/checksOn.ts";
import { goldenParts } from "./parts/parts.ts";

/** All ops, and some other parts; `pnpm golden --backend webgpu` runs all. */
const only = ["ops", "models/llama", "adapters/gpt2/lora", "weighted", "nf4"];

const backend = "webgpu";

async function* inNode(): AsyncGenerator<Check> {
  yield* checksOn(namedBackend(backend, 1), goldenParts(await folderFiles(goldenFolder)), { only, counted: true });
}

/** Expects that all checks pass, apart from the exceptions; returns their names. */
async function namesOf(checks: AsyncIterable<Check>): Promise<string[]> {
  const names: string[] = [];
  for await (const check of checks) {
    names.push(check.name);
    if (exceptionOf(backend, check) === undefined) expect(check.error, check.name).toBeUndefined();
  }
  return names;
}

let inNodeNames: Promise<string[]> | undefined;

it.skipIf(noWebGpu !== undefined)(
  "PyTorch's numbers on WebGPU in Node, no op on the host",
  async () => {
    inNodeNames = namesOf(inNode());
    const names = await inNodeNames;
    for (const part of only) expect(names.filter((name) => name.startsWith(part)).length, part).toBeGreaterThan(10);
    expect(names.at(-1)).toBe("op calls");
  },
  600_000,
);

it.skipIf(noWebGpu !== undefined || findChromium() === undefined).each(["page", "worker"] as const)(
  "the same numbers in a %s of Chromium",
  async (place) => {
    const names = await namesOf(checksInChromium(goldenFolder, { place, backend, threads: 1, only }));
    expect(names).toEqual(await inNodeNames);
  },
  600_000,
);
