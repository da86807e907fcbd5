import { describe, expect, it } from "vitest";
import { webgpu } from "../index.ts";

// These errors are thrown before a device is opened, so the tests need no adapter.
describe("options of webgpu()", () => {
  it.each([
    [{ device: {} }, "webgpu: the option device is [object Object]; give what await adapter.requestDevice() returns"],
    [{ device: Promise.resolve() }, "webgpu: the option device is a promise; give what await adapter.requestDevice()"],
    [{ adapter: Promise.resolve() }, "the option adapter is a promise; give what await navigator.gpu.requestAdapter()"],
    [{ adapter: 1 }, "webgpu: the option adapter is 1;"],
    [{ subgroups: "yes" }, "webgpu: subgroups is yes; give true or false, or leave it out"],
    [{ batchInvariant: 1 }, "webgpu: batchInvariant is 1; give true or false"],
    [{ kernels: [1] }, 'webgpu: the option kernels contains 1; expected results of kernel("name of an op", ...)'],
    [
      { kernels: [undefined] },
      'webgpu: the option kernels contains undefined; expected results of kernel("name of an op", ...)',
    ],
    [{ kernels: "matmul" }, "webgpu: kernels is matmul; give a list of kernels"],
    [{ powerPreference: "fast" }, "webgpu: powerPreference is fast; give low-power or high-performance"],
  ])("that are wrong are errors: %o", async (options, message) => {
    await expect(webgpu(options as never)).rejects.toThrow(message);
  });
});
