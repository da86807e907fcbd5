import { testBackend } from "@lowrank/core/testing";
import { afterAll, describe, expect, it } from "vitest";
import { create } from "webgpu";
import { openDevice } from "./device/openDevice.ts";
import { webgpu } from "./index.ts";

/**
 * Dawn without a driver: it validates kernels and commands, but computes nothing. Its `GPU` object must outlive the
 * device, so it is exported.
 */
export const dawn: GPU = create(["backend=null"]);
const adapter = (await dawn.requestAdapter()) ?? undefined;
const { device } = await openDevice({}, adapter);
// Computed results are zeros, so trials of subgroups would fail; `subgroups` is set to skip them.
const backends = [true, false].map(async (subgroups) => [subgroups, await webgpu({ device, subgroups })] as const);
afterAll(() => device.destroy());

it("has all features for which kernels have variants", () => {
  for (const feature of ["shader-f16", "subgroups"]) expect(device.features, feature).toContain(feature);
});

/** Errors of the device; wrong values are ignored here. */
const refusal = /does not compile|refused a command|device is lost/;

describe.each(await Promise.all(backends))("with subgroups: %s", (subgroups, backend) => {
  it("says so", () => expect(backend.subgroups).toBe(subgroups));

  it.each(testBackend(backend))("compiles and takes what runs for $name", async ({ run }) => {
    const error: Error | undefined = await run().then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(error?.message ?? "").not.toMatch(refusal);
    await backend.sync();
  });
});
