import { testBackend } from "@lowrank/core/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noWebGpu } from "../../../scripts/webgpuTests.ts";
import { openDevice } from "./device/openDevice.ts";
import { type WebGpuBackend, webgpu } from "./index.ts";
import { breaksOf } from "./testing/breaks.ts";
import { checkFused, fusedCases } from "./testing/fusedCases.ts";
import { storedCases, tileCases } from "./testing/productCases.ts";
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

/** "1", or words of the names of the kernels that are to be broken. Unset: none. */
const asked = process.env.LOWRANK_CONTROL ?? "";
if (asked === "") console.log("skipped: the control of the tests on WebGPU (LOWRANK_CONTROL=1 runs it)");

const errorOf = (check: Check, backend: WebGpuBackend): Promise<Error | undefined> =>
  check.run(backend).then(
    () => undefined,
    (thrown) => thrown,
  );

describe.skipIf(noWebGpu ?? asked === "")("kernels that are subtly wrong", () => {
  let device: GPUDevice;
  beforeAll(async () => {
    ({ device } = await openDevice({}));
  });
  afterAll(() => device?.destroy());

  it("are noticed: at least 95 of 100", async () => {
    const known = new Map<string, GPUComputePipeline>();
    const open = (watch: Parameters<typeof watchedDevice>[1]): Promise<WebGpuBackend> =>
      webgpu({ device: watchedDevice(device, watch), kernels: [forcedProduct] });
    const used = new Map<string, Used>();
    let running: Check | undefined;
    const whole = await open({
      known,
      change: (code) => code,
      ran: (code, name) => {
        const found = used.get(code) ?? { name, checks: new Set() };
        used.set(code, found);
        if (running) found.checks.add(running);
      },
    });
    const suite = testBackend(whole).map(({ name }, i): Check => ({ name, run: (on) => testBackend(on)[i].run() }));
    const fused = fusedCases.map((one): Check => ({ name: one.name, run: (on) => checkFused(on, one) }));
    const products = [...Object.values(tileCases), ...storedCases].map(
      (one): Check => ({ name: JSON.stringify(one), run: (on) => checkProduct(on, one) }),
    );
    const times = new Map<Check, number>();
    for (const check of [...suite, ...fused, ...products]) {
      running = check;
      const start = performance.now();
      await check.run(whole);
      times.set(check, performance.now() - start);
    }

    const missed: string[] = [];
    let tried = 0;
    const broken = [...used].filter(([, { name }]) => asked === "1" || name.includes(asked));
    for (const [text, { name, checks }] of broken) {
      const quickFirst = [...checks].sort((a, b) => (times.get(a) ?? 0) - (times.get(b) ?? 0));
      for (const { what, code } of breaksOf(text)) {
        const shared = new Map(known);
        shared.delete(text);
        const backend = await open({ known: shared, change: (given) => (given === text ? code : given) });
        let error: Error | undefined;
        for (const check of quickFirst) {
          error = await errorOf(check, backend);
          if (error) break;
        }
        // A text that does not compile is no subtle error.
        if (error?.message.includes("does not compile")) continue;
        tried++;
        if (error) continue;
        missed.push(`${name}: ${what}`);
        console.log(`not noticed, ${missed.length} of ${tried}, in ${checks.size} checks: ${name}: ${what}`);
      }
    }
    console.log(
      `${tried - missed.length} of ${tried} errors in ${broken.length} kernels were noticed; not:\n${missed.join("\n")}`,
    );
    expect(tried).toBeGreaterThan(broken.length);
    expect(missed.length).toBeLessThanOrEqual(0.05 * tried);
  }, 3_600_000);
});
