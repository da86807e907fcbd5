import { expect, it } from "vitest";
import { wasm } from "../wasm.ts";

it.skipIf(Number.parseInt(process.versions.node, 10) >= 26)("is an error of one line on an older Node", async () => {
  await expect(wasm({ wideSimd: true })).rejects.toThrow(
    `wasm: wideSimd needs Node 26 or later on x64, and this is Node ${process.versions.node}`,
  );
});
