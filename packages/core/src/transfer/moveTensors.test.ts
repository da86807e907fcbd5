import { expect, it } from "vitest";
import { type Backend, Generator, init, quantize4bit, randn, reference, type Tensor, tensor } from "../index.ts";
import { moveTensors } from "../internal.ts";
import { toBackend } from "./toBackend.ts";

await init(reference());

/** Returns a backend that lists the dtypes it prepares and the buffers it makes. */
function noting(): { backend: Backend; noted: string[] } {
  const own = reference();
  const noted: string[] = [];
  const prepare = async (dtype: string) => void noted.push(`prepare ${dtype}`);
  const alloc = (bytes: number) => {
    noted.push(`alloc ${bytes}`);
    return own.alloc(bytes);
  };
  return { backend: { ...own, prepare, alloc }, noted };
}

const ways: Record<string, (t: Tensor, backend: Backend) => Promise<Tensor>> = {
  toBackend,
  moveTensors: async (t, backend) => {
    await moveTensors([t, t], backend);
    return t;
  },
};

it.each(Object.keys(ways))("%s prepares only for packed tensors, and copies only to another backend", async (name) => {
  const { backend, noted } = noting();
  const moved = await ways[name](tensor([1, 2], { requiresGrad: true }), backend);
  expect(moved.storage.backend).toBe(backend);
  expect([...(await moved.data())]).toEqual([1, 2]);
  expect(moved.requiresGrad).toBe(true);
  expect(noted.splice(0)).toEqual(["alloc 8"]);
  expect((await ways[name](moved, backend)).storage).toBe(moved.storage);
  expect(noted).toEqual([]);
  const weight = quantize4bit(randn([2, 32], { generator: new Generator(1) }), { blockSize: 32 });
  const bytes = await weight.bytes();
  const packed = await ways[name](weight, backend);
  expect([packed.storage.backend, packed.requiresGrad, await packed.bytes()]).toEqual([backend, false, bytes]);
  expect(noted[0]).toBe("prepare nf4");
});

it("moveTensors keeps what shares memory shared, and refuses results of recorded ops", async () => {
  const x = tensor([1, 2, 3, 4]);
  const view = x.reshape(2, 2);
  const { backend, noted } = noting();
  await moveTensors([x, view], backend);
  expect(view.storage).toBe(x.storage);
  expect(noted).toEqual(["alloc 16"]);
  const made = tensor([1], { requiresGrad: true }).mul(2);
  await expect(moveTensors([made], backend)).rejects.toThrow(
    "to: [1] is the result of a recorded op; move only leaf tensors, or detach() it first",
  );
});
