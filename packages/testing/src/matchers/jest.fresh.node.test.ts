import { init, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { expect, test, vi } from "vitest";

test("the entry for Jest extends the global expect, and names what to do if there is none", async () => {
  await init(wasm());
  Object.assign(globalThis, { expect });
  await import("../jest.ts");
  const about = (x: number) =>
    expect(tensor([x])) as unknown as { toBeCloseToTensor(expected: readonly number[]): Promise<void> };
  await about(1).toBeCloseToTensor([1]);
  await expect(about(1).toBeCloseToTensor([2])).rejects.toThrow("1 of 1 elements differ");
  vi.resetModules();
  Object.assign(globalThis, { expect: undefined });
  await expect(import("../jest.ts")).rejects.toThrow(/there is no global expect.*expect\.extend\(lowrankMatchers\)/);
});
