import { expect, it } from "vitest";
import { kernelParameters } from "../kernels/kernelParameters.gen.ts";
import { boardBytes, type Job, JobBoard, type Kernel, maxParts } from "./jobBoard.ts";

function boardOf(kernel: Kernel, scratch?: number): JobBoard {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  return new JobBoard(memory, 0, [() => {}, kernel], scratch);
}

const job: Job = { kernel: 1, args: [100, 7, 3, 13, 50], steps: [[0, 4]], units: 10, chunk: 4 };

it("does each part once, with its own arguments", () => {
  const calls: number[][] = [];
  const board = boardOf((...args) => calls.push(args), 60);
  board.run({ ...job, count: 1, end: 3, scratch: 4 });
  expect(calls).toEqual([
    [100, 4, 3, 7, 60],
    [116, 4, 3, 11, 60],
    [132, 2, 3, 13, 60],
  ]);
  calls.length = 0;
  board.run({ ...job, units: 4 });
  expect(calls).toEqual([[100, 7, 3, 13, 50]]);
});

it("lets the caller use the scratch memory that it gave", () => {
  const scratches: number[] = [];
  boardOf((...args) => scratches.push(args[4]!)).run({ ...job, scratch: 4 });
  expect(scratches).toEqual([50, 50, 50]);
});

it("throws when a part fails, after all others, and goes on with the next job", () => {
  let calls = 0;
  const board = boardOf((at) => {
    calls++;
    if (at === 116) throw new Error("out of bounds");
  });
  expect(() => board.run(job)).toThrow("wasm: a kernel failed");
  expect(calls).toBe(3);
  board.run({ ...job, args: [0] });
  expect(calls).toBe(6);
});

/** Boards of several threads on the same memory, whose other bytes are all 0xff. */
function boardsOf(kernel: Kernel, scratches: readonly number[]) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const bytes = new Uint8Array(memory.buffer);
  const at = 4096;
  bytes.fill(0xff);
  bytes.fill(0, at, at + boardBytes);
  const boards = scratches.map((scratch) => new JobBoard(memory, at, [() => {}, kernel], scratch));
  const outside = () => [...bytes.subarray(at - 256, at), ...bytes.subarray(at + boardBytes, at + boardBytes + 256)];
  return { boards, outside };
}

it("hands parts to other threads, which use their own scratch memory", () => {
  const calls: number[][] = [];
  const all = boardsOf(
    (...args) => {
      calls.push(args);
      // The other thread takes all remaining parts during the first part.
      if (calls.length === 1) all.boards[1].work();
    },
    [60, 70],
  );
  all.boards[0].run({ ...job, count: 1, end: 3, scratch: 4 });
  expect(calls).toEqual([
    [100, 4, 3, 7, 60],
    [116, 4, 3, 11, 70],
    [132, 2, 3, 13, 70],
  ]);
  // No parts remain.
  all.boards[1].work();
  expect(calls).toHaveLength(3);
});

it("throws where a part of another thread fails", () => {
  let calls = 0;
  const all = boardsOf(() => {
    if (++calls === 1) all.boards[1].work();
    if (calls === 3) throw new Error("out of bounds");
  }, [60, 70]);
  expect(() => all.boards[0].run(job)).toThrow("wasm: a kernel failed; its arguments reach outside the memory");
  expect(calls).toBe(3);
});

it.each([1, 2, 127, 128, 254, maxParts])("shares %i parts out, job after job, in its own memory", (parts) => {
  const starts: number[] = [];
  const { boards, outside } = boardsOf((at) => void starts.push(at), [0]);
  for (let round = 0; round < 3; round++) {
    starts.length = 0;
    boards[0].run({ kernel: 1, args: [1000 * round], steps: [[0, 2]], units: 3 * parts - 1, chunk: 3 });
    expect(starts).toEqual(Array.from({ length: parts }, (_, i) => 1000 * round + 6 * i));
  }
  expect(outside().every((byte) => byte === 0xff)).toBe(true);
});

it("takes as many arguments as any kernel has, each with its step", () => {
  const calls: number[][] = [];
  const most = Math.max(...Object.values(kernelParameters).map(({ length }) => length)) + 1;
  const { boards, outside } = boardsOf((...args) => void calls.push(args), [0]);
  const args = Array.from({ length: most }, (_, i) => 2 ** 31 + i / 2);
  const steps = args.map((_, i): [number, number] => [i, i / 256]);
  boards[0].run({ kernel: 1, args, steps, units: 4, chunk: 2 });
  expect(calls).toEqual([args, args.map((arg, i) => arg + (2 * i) / 256)]);
  // The steps of the previous job do not persist.
  calls.length = 0;
  boards[0].run({ kernel: 1, args, steps: [], units: 4, chunk: 2 });
  expect(calls).toEqual([args, args]);
  expect(outside().every((byte) => byte === 0xff)).toBe(true);
});
