import { expect, it } from "vitest";
import type { GpuTensor } from "../kernel/kernel.ts";
import { fakeDevice } from "../testing/fakeDevice.ts";
import { Faults } from "./faults.ts";

const fault = (at: number, value: number, _inputs: unknown, { limit }: { limit: number }) =>
  new Error(`entry ${at} is ${value}, over ${limit}`);
const op = { name: "test/pick", fault };

it("keep the calls that no read covers, and describe the value of a call by its dtype and parameters", () => {
  const faults = new Faults(fakeDevice().device);
  const params = { limit: 1 };
  const call = (dtype: "f32" | "i32") => {
    const values = { dtype, shape: [4], size: 4, buffer: {} } as unknown as GpuTensor;
    return faults.confirm(op as never, [], params, values);
  };
  call("i32");
  call("f32");
  call("i32");
  params.limit = 2;
  expect([faults.pending, faults.latest]).toEqual([3, 3]);
  const words = (number: number, at: number, bits: number) => Uint32Array.of(0, number, at, bits);
  expect(faults.errorOf(words(0, 0, 0), 1)).toBeUndefined();
  expect(faults.pending).toBe(2);
  expect(faults.errorOf(words(1, 0, 0), 1)).toBeUndefined();
  expect(faults.errorOf(words(2, 3, new Uint32Array(Float32Array.of(1.5).buffer)[0]), 2)?.message).toBe(
    "entry 3 is 1.5, over 1",
  );
  expect(faults.pending).toBe(1);
  expect(faults.errorOf(words(3, -1, -7), 2)?.message).toBe("entry -1 is -7, over 1");
  expect([faults.pending, faults.latest]).toEqual([1, 3]);
  faults.errorOf(words(0, 0, 0), 3);
  expect(faults.pending).toBe(0);
});
