import { testBackend } from "@lowrank/core/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noWebGpu } from "../../../scripts/webgpuTests.ts";
import { openDevice } from "./device/openDevice.ts";
import { type WebGpuBackend, webgpu } from "./index.ts";
import { breaksOf } from "./testing/breaks.ts";
import { checkFused, fusedCases } from "./testing/fusedCases.ts";
import { tileCases } from "./testing/productCases.ts";
import { checkProduct, forcedProduct } from "./testing/productTests.ts";
import { watchedDevice } from "./testing/watchedDevice.ts";

/** A test that any backend on the device can be put to. */
interface Check {
  readonly name: string;
  readonly run: (backend: WebGpuBackend) => Promise<void>;
}

/** A kernel's text, and the checks in which it runs. */
interface Used {
  readonly name: string;
  readonly checks: Set<Check>;
}

/** The control takes the better part of an hour on a processor that plays the device. */
const asked = process.env.LOWRANK_CONTROL === "1";
if (!asked) console.log("skipped: the control of the tests on WebGPU (LOWRANK_CONTROL=1 runs it)");

describe.skipIf(noWebGpu ?? !asked)("kernels that are subtly wrong", () => {
  let device: GPUDevice;
  beforeAll(async () => {
    ({ device } = await openDevice({}));
  });
  afterAll(() => device?.destroy());

  it("are noticed: at least 95 of 100", async () => {
    const open = (watch: Parameters<typeof watchedDevice>[1]): Promise<WebGpuBackend> =>
      webgpu({ device: watchedDevice(device, watch), kernels: [forcedProduct] });
    const used = new Map<string, Used>();
    let running: Check | undefined;
    const whole = await open({
      change: (code) => code,
      ran: (code, name) => {
        const found = used.get(code) ?? { name, checks: new Set() };
        used.set(code, found);
        if (running) found.checks.add(running);
      },
    });
    const suite = testBackend(whole).map(({ name }, i): Check => ({ name, run: (on) => testBackend(on)[i].run() }));
    const fused = fusedCases.map((one): Check => ({ name: one.name, run: (on) => checkFused(on, one) }));
    const products = Object.values(tileCases).map(
      (one): Check => ({ name: JSON.stringify(one), run: (on) => checkProduct(on, one) }),
    );
    for (const check of [...suite, ...fused, ...products]) {
      running = check;
      await check.run(whole);
    }

    const missed: string[] = [];
    let tried = 0;
    for (const [text, { name, checks }] of used) {
      for (const { what, code } of breaksOf(text)) {
        const broken = await open({ change: (given) => (given === text ? code : given) });
        let error: Error | undefined;
        for (const check of checks) {
          error = await check.run(broken).then(
            () => undefined,
            (thrown) => thrown,
          );
          if (error) break;
        }
        // A text that does not compile is no subtle error.
        if (error?.message.includes("does not compile")) continue;
        tried++;
        if (!error) missed.push(`${name}: ${what}`);
      }
    }
    console.log(
      `${tried - missed.length} of ${tried} errors in ${used.size} kernels were noticed; not:\n${missed.join("\n")}`,
    );
    expect(tried).toBeGreaterThan(used.size);
    expect(missed.length).toBeLessThanOrEqual(0.05 * tried);
  }, 3_600_000);
});
