import { nanoModelFolder } from "@lowrank/nano";
import { expect, test } from "vitest";
import { currentBackend, isInitialized, loadModel } from "./index.gen.ts";

test("loadModel starts WebAssembly by itself where no backend was chosen", async () => {
  expect(isInitialized()).toBe(false);
  await loadModel(nanoModelFolder);
  expect(currentBackend().name).toBe("wasm");
});
