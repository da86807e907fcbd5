import { firstAvailable, init, matmul, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { webgpu } from "@lowrank/webgpu";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

const consoleNames = ["log", "info", "warn", "error", "debug"] as const;
let said: string[];

beforeEach(() => {
  said = [];
  for (const name of consoleNames) {
    vi.spyOn(console, name).mockImplementation((...words: unknown[]) => void said.push(words.join(" ")));
  }
});

afterEach(() => {
  vi.restoreAllMocks();
  Reflect.deleteProperty(navigator, "gpu");
});

/** Replaces the machine's WebGPU entry point. */
function replaceGpu(gpu: object | undefined): void {
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
}

const adapter = { limits: {}, features: new Set(), info: { description: "a card" } };
const noDevice = { ...adapter, requestDevice: () => Promise.reject(new Error("the card is asleep")) };

const noAdapter = "webgpu: no adapter was found: there is no graphics driver that WebGPU can use here";
const cases: [string, object | undefined, string][] = [
  ["no adapter", { requestAdapter: async () => null }, noAdapter],
  [
    "an adapter without a device",
    { requestAdapter: async () => noDevice },
    "webgpu: requestDevice failed on the GPU adapter a card (the card is asleep)",
  ],
];
// Node would look for the npm package, which webgpuFallback.fresh.node.test.ts covers.
if (typeof process === "undefined") {
  cases.push(["no WebGPU", undefined, "webgpu: WebGPU is not available on this page (navigator.gpu is missing)"]);
}

it.each(cases)("with %s, wasm works after one sentence on the console", async (_, gpu, sentence) => {
  replaceGpu(gpu);
  await init(firstAvailable(webgpu, wasm));
  const x = tensor([1, 2, 3, 4], { shape: [2, 2] });
  expect(Array.from(await matmul(x, x).data())).toEqual([7, 10, 15, 22]);
  expect(said).toEqual([`${sentence}; wasm is used instead`]);
});

it("a wrong option is an error, and no reason for another backend", async () => {
  const wrong = () => webgpu({ powerPreferance: "low-power" } as never);
  await expect(firstAvailable(wrong, wasm)).rejects.toThrow("did you mean powerPreference?");
});
