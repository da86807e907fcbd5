import { expect, test } from "vitest";
import { loadNano } from "./loadNano.ts";

test("the embedded model is loaded when asked, and the error for one that is missing names its package", async () => {
  expect((await loadNano()).nanoModelFolder.protocol).toBe("file:");
  const missing = Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
  await expect(loadNano(() => Promise.reject(missing))).rejects.toThrow(
    "npm install @lowrank/nano, or give --model and --data",
  );
  await expect(loadNano(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
});
