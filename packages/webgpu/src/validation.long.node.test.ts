import { testBackend } from "@lowrank/core/testing";
import { afterAll, expect, it } from "vitest";
import { create } from "webgpu";
import { webgpu } from "./index.ts";

/**
 * Dawn without a driver: it checks kernels and commands, and computes nothing. Its entry must
 * outlive the device, so it is exported.
 */
export const dawn: GPU = create(["backend=null"]);
const adapter = (await dawn.requestAdapter()) ?? undefined;
const backend = await webgpu({ adapter });
afterAll(() => backend.dispose());

it("has all features for which kernels have variants", () => {
  for (const feature of ["shader-f16", "subgroups"]) expect(backend.device.features, feature).toContain(feature);
});

/** The device's own errors; numbers that are wrong here say nothing. */
const refusal = /does not compile|refused a command|device is lost/;

for (const { name, run } of testBackend(backend)) {
  it(`compiles and takes what runs for ${name}`, async () => {
    const error: Error | undefined = await run().then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(error?.message ?? "").not.toMatch(refusal);
    await backend.sync();
  });
}
