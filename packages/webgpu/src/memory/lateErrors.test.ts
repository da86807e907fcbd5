import { expect, it } from "vitest";
import { LateErrors } from "./faults.ts";

const stats = () => ({ used: 600, free: 40, largestFree: 40, length: 640, buffers: 3 });
const device = (lost: Promise<GPUDeviceLostInfo>): GPUDevice => ({ lost }) as GPUDevice;
const never = new Promise<never>(() => {});

it("tells of a buffer that got no memory, once, and of what is in use", async () => {
  const errors = new LateErrors(device(never));
  errors.watchMemory(Promise.resolve(null), 8, stats);
  expect(await errors.take()).toBeUndefined();
  errors.watchMemory(Promise.resolve({ message: "no" } as GPUError), 4096, stats);
  expect((await errors.take())?.message).toBe(
    "webgpu: the device has no memory for a buffer of 4096 bytes; 600 bytes are in use and 40 kept for reuse; free tensors, use smaller batches, or a smaller model",
  );
  expect(await errors.take()).toBeUndefined();
});

it("tells the cause before the commands that were refused for it", async () => {
  const own = device(never);
  const errors = new LateErrors(own);
  const event = { error: { message: "invalid" }, preventDefault: () => {} };
  own.onuncapturederror?.call(own, event as unknown as GPUUncapturedErrorEvent);
  errors.watch(Promise.resolve(new Error("the cause")));
  expect((await errors.take())?.message).toBe("the cause");
  expect(await errors.take()).toBeUndefined();
});

it("says of a device that the driver took away that it is lost", async () => {
  const info = { reason: "unknown", message: "reset" } as GPUDeviceLostInfo;
  const errors = new LateErrors(device(Promise.resolve(info)));
  expect((await errors.ofFailedRead(new Error("unmapped"))).message).toBe(
    "webgpu: the device is lost (the driver gave up: reset); its tensors are lost: call init(webgpu()) again and load them again",
  );
});
