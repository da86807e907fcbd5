import { expect, it } from "vitest";
import { type Job, JobBoard, type Kernel } from "./jobBoard.ts";

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
