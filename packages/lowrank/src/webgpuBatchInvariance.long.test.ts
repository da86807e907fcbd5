import { noWebGpu } from "@lowrank/test-support/webgpu";
import { webgpu } from "@lowrank/webgpu";
import { describe, it } from "vitest";
import { checkSameLogits, kinds } from "./testing/sameLogits.ts";

describe.skipIf(noWebGpu)("on webgpu", () => {
  it.each(kinds)(
    "a model gives a row the same logits alone and in any batch: %s",
    { timeout: 120_000 },
    async (kind) => {
      const backend = await webgpu({ batchInvariant: true });
      await checkSameLogits(backend, kind);
      backend.dispose();
    },
  );
});
