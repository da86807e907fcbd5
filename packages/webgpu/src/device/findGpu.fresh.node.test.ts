import { afterEach, expect, it, vi } from "vitest";
import { describeAdapter, findGpu, openDevice } from "./openDevice.ts";

afterEach(() => void vi.unstubAllGlobals());

const info = { vendor: "acme", architecture: "", device: "one", description: "" };
const adapterOf = (requestDevice: () => Promise<unknown>) =>
  ({ info, limits: {}, features: new Set(), requestDevice }) as unknown as GPUAdapter;
const refusing = () => adapterOf(() => Promise.reject(new Error("one device only")));

it.each([undefined, { versions: {} }])(
  "a page without WebGPU gets an error that names the fix: process %o",
  async (one) => {
    vi.stubGlobal("navigator", {});
    vi.stubGlobal("process", one);
    const found = findGpu();
    vi.unstubAllGlobals();
    await expect(found).rejects.toThrow(
      "webgpu: WebGPU is not available on this page (navigator.gpu is missing); serve the page by https or from localhost, to a browser with WebGPU, or use another backend",
    );
  },
);

it("an adapter of the caller gives its own error, and another adapter an UnavailableError", async () => {
  vi.stubGlobal("navigator", { gpu: { requestAdapter: async () => refusing() } });
  await expect(openDevice({}, refusing())).rejects.toThrow(/^one device only$/);
  await expect(openDevice({})).rejects.toThrow(
    "webgpu: requestDevice failed on the GPU adapter acme one (one device only); try again, or use another backend",
  );
  vi.stubGlobal("navigator", { gpu: { requestAdapter: async () => null } });
  await expect(openDevice({})).rejects.toThrow("webgpu: no adapter was found");
});

it("an adapter runs on the processor if it is a fallback or has such a name", () => {
  expect(describeAdapter()).toEqual({ name: "unknown", software: false });
  expect(describeAdapter(info)).toEqual({ name: "acme one", software: false });
  expect(describeAdapter({ ...info, isFallbackAdapter: true })).toEqual({ name: "acme one", software: true });
  expect(describeAdapter({ ...info, architecture: "swiftshader" }).software).toBe(true);
});
