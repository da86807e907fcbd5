import { blockFormats } from "@lowrank/core";
import { testBackend } from "@lowrank/core/testing";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDevice } from "./device/openDevice.ts";
import { type WebGpuBackend, webgpu } from "./index.ts";
import { type Break, breaksOf, withBreak } from "./testing/breaks.ts";
import { edgeCases } from "./testing/edgeCases.ts";
import { checkFused, fusedCases } from "./testing/fusedCases.ts";
import { edgeProducts, invariantProducts, storedCases, tileCases } from "./testing/productCases.ts";
import { checkProduct, forcedProduct } from "./testing/productTests.ts";
import { watchedDevice } from "./testing/watchedDevice.ts";

/** A test that can run on any backend of the device. */
interface Check {
  readonly name: string;
  readonly run: (backend: WebGpuBackend) => Promise<void>;
}

/** The texts of a kernel in its variants, and the checks in which each runs. */
type Texts = Map<string, Set<Check>>;

/**
 * The kernels to break: "1" for all, "2/3" for the second of each three, or a word of their names. "own 2/30" is a
 * sample that takes a minute or two: the kernels of the second of each thirty ops, tested only by the checks named
 * after the op. Default: none.
 */
const control = process.env.LOWRANK_CONTROL ?? "";
const ownOnly = control.startsWith("own ");
const asked = ownOnly ? control.slice("own ".length) : control;

/** The op that a check is named after, or a tile of products. */
const opOf = ({ name }: Check): string => /^(product, [^,]*|\w+)/.exec(name)?.[0] ?? name;

/** Returns the checks of the chosen ops, with `edges` if a tile is chosen. */
function ownChecks(checks: readonly Check[], edges: readonly Check[]): Check[] {
  const ops = [...new Set(checks.map(opOf))].filter((op, place) => isAsked(op, place));
  const own = checks.filter((check) => ops.includes(opOf(check)));
  return own.some(({ name }) => name.startsWith("product, ")) ? [...own, ...edges] : own;
}

/** True if a kernel is named after the op of a check in which it runs. */
function isOwn(name: string, texts: Texts): boolean {
  const checks = [...texts.values()].flatMap((own) => [...own]);
  return checks.some((check) => name.startsWith(opOf(check)));
}

function isAsked(name: string, place: number): boolean {
  const [part, parts] = asked.split("/").map(Number);
  if (Number.isNaN(part)) return name.includes(asked);
  return place % (parts ?? 1) === (part - 1) % (parts ?? 1);
}
if (asked === "") console.log("skipped: the control of the tests on WebGPU (LOWRANK_CONTROL=1 runs it)");

/**
 * True for an error that changes no result:
 * - Rows of weights in GGUF blocks are whole blocks, so that none ends inside a thread's four columns.
 * - Blocks of whole words never need the second word of a value that crosses a word boundary.
 * - If the number of terms of a sum is a multiple of four, the end of the sum is not used.
 */
function isHarmless(name: string, { what }: Break): boolean {
  if (name.startsWith("product") && what === "skipped edge: 3u + 1u < end") return true;
  const [, dtype, rest] = /, (q\d_[\dk])(.*)$/.exec(name) ?? [];
  if (dtype === undefined) return false;
  if (/^skipped edge: [012]u \+ 1u < u\.n$/.test(what)) return rest === "";
  const { bytes } = blockFormats[dtype as keyof typeof blockFormats].block;
  return bytes % 4 === 0 && what === "shifted index: w[((at >> 2u) + 1u) + 1u]";
}

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

  it("are noticed: at least 95 of 100, or 90 in a sample", async () => {
    const known = new Map<string, GPUComputePipeline>();
    const open = (watch: Parameters<typeof watchedDevice>[1]): Promise<WebGpuBackend> =>
      webgpu({ device: watchedDevice(device, watch), kernels: [forcedProduct] });
    const used = new Map<string, Texts>();
    let running: Check | undefined;
    const whole = await open({
      known,
      change: (code) => code,
      ran: (code, name) => {
        if (!running) return;
        const texts: Texts = used.get(name) ?? new Map();
        used.set(name, texts);
        texts.set(code, (texts.get(code) ?? new Set()).add(running));
      },
    });
    const suite = testBackend(whole).map(({ name }, i): Check => ({ name, run: (on) => testBackend(on)[i].run() }));
    const fused = [...fusedCases, ...edgeCases].map(
      (one): Check => ({ name: one.name, run: (on) => checkFused(on, one) }),
    );
    const products = [...Object.values(tileCases), ...edgeProducts, ...invariantProducts, ...storedCases].map(
      (one): Check => ({ name: JSON.stringify(one), run: (on) => checkProduct(on, one) }),
    );
    const times = new Map<Check, number>();
    const tiles = Object.entries(tileCases).map(
      ([tile, one]): Check => ({ name: `product, ${tile}`, run: (on) => checkProduct(on, one) }),
    );
    const edges = edgeProducts.map(
      (one): Check => ({ name: `product, edge: ${JSON.stringify(one)}`, run: (on) => checkProduct(on, one) }),
    );
    const checksToRun = ownOnly ? ownChecks([...suite, ...fused, ...tiles], edges) : [...suite, ...fused, ...products];
    for (const check of checksToRun) {
      running = check;
      const start = performance.now();
      await check.run(whole);
      times.set(check, performance.now() - start);
    }

    const missed: string[] = [];
    let tried = 0;
    const broken = [...used].filter(([name, texts], place) => (ownOnly ? isOwn(name, texts) : isAsked(name, place)));
    console.log(`${checksToRun.length} checks, ${broken.length} kernels: ${broken.map(([name]) => name).join("; ")}`);
    for (const [name, texts] of broken) {
      const checks = new Set([...texts.values()].flatMap((own) => [...own]));
      const quickFirst = [...checks].sort((a, b) => (times.get(a) ?? 0) - (times.get(b) ?? 0));
      const done = new Set<string>();
      for (const [text, one] of [...texts.keys()].flatMap((text) =>
        breaksOf(text).map((one) => [text, one] as const),
      )) {
        // An error in the source is in all variants that contain the statement.
        if (done.has(one.what) || isHarmless(name, one)) continue;
        done.add(one.what);
        const change = (given: string) =>
          given === text ? one.code : texts.has(given) ? withBreak(given, one) : given;
        const backend = await open({ known: new Map(known), change });
        let error: Error | undefined;
        for (const check of quickFirst) {
          error = await errorOf(check, backend);
          if (error) break;
        }
        // A text that does not compile is not a subtle error.
        if (error?.message.includes("does not compile")) continue;
        tried++;
        if (error) continue;
        missed.push(`${name}: ${one.what}`);
        console.log(`not noticed, in ${checks.size} checks: ${name}: ${one.what}`);
      }
      console.log(`${tried - missed.length} of ${tried} after ${name}`);
    }
    console.log(
      `${tried - missed.length} of ${tried} errors in ${broken.length} kernels were noticed; not:\n${missed.join("\n")}`,
    );
    expect(tried).toBeGreaterThan(broken.length);
    expect(missed.length).toBeLessThanOrEqual((ownOnly ? 0.1 : 0.05) * tried);
  }, 3_600_000);
});
