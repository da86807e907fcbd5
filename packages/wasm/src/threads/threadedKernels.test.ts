import { describe, expect, it } from "vitest";
import type { Kernels } from "../kernels/kernelTypes.gen.ts";
import type { Job, JobBoard } from "./jobBoard.ts";
import { threadedKernels } from "./startThreads.ts";

/** Some kernels whose direct calls are recorded, and the jobs that go to the board instead. */
function kernels(threads: number, grain: number) {
  const direct: (readonly [string, ...number[]])[] = [];
  const jobs: Job[] = [];
  const note = (name: string) => [name, (...args: number[]) => void direct.push([name, ...args])];
  const names = ["readI32", "exp", "softmax", "gemm", "gemmPart", "gemmWeight", "gemmWeightPart"];
  const k = Object.fromEntries(names.map(note)) as unknown as Kernels;
  const board = { run: (job: Job) => void jobs.push(job) } as unknown as JobBoard;
  return { shared: threadedKernels(k, board, () => threads, grain), direct, jobs };
}

/** x, out, n. */
const exp = (n: number) => [4096, 8192, n] as const;

describe("a kernel call", () => {
  it("is shared from twice the grain on", () => {
    for (const [n, parts] of [
      [199, 1],
      [200, 2],
      [299, 2],
      [300, 3],
    ]) {
      const { shared, direct, jobs } = kernels(2, 100);
      shared.exp(...exp(n));
      expect([direct.length, jobs.length], `${n}`).toEqual(parts === 1 ? [1, 0] : [0, 1]);
      if (parts > 1) {
        // Whole cache lines of 16 floats.
        const chunk = 16 * Math.ceil(n / parts / 16);
        expect(jobs[0]).toEqual({
          ...{ kernel: 1, args: [...exp(n)], units: n, chunk, count: 2, end: undefined, scratch: undefined },
          steps: [
            [0, 4],
            [1, 4],
          ],
        });
      } else expect(direct[0]).toEqual(["exp", ...exp(n)]);
    }
  });

  it("has four parts for each thread", () => {
    for (const threads of [2, 3, 5]) {
      const { shared, jobs } = kernels(threads, 1);
      shared.exp(...exp(16 * 1000 * threads));
      expect(Math.ceil(jobs[0].units / jobs[0].chunk), `${threads} threads`).toBe(4 * threads);
    }
  });

  it("has no more parts than a job can have", () => {
    const { shared, jobs } = kernels(64, 1);
    shared.softmax(0, 0, 10_000, 3);
    expect(jobs[0].chunk).toBe(Math.ceil(10_000 / 255));
  });

  it("runs as a whole on one thread, and where it has a single unit", () => {
    const { shared, direct, jobs } = kernels(1, 1);
    shared.exp(...exp(100_000));
    expect([direct.length, jobs.length]).toEqual([1, 0]);
    const two = kernels(2, 1);
    two.shared.softmax(0, 0, 1, 100_000);
    expect([two.direct.length, two.jobs.length]).toEqual([1, 0]);
  });

  it("without a rule is the kernel itself", () => {
    const { shared, direct } = kernels(2, 1);
    shared.readI32(12);
    expect(direct).toEqual([["readI32", 12]]);
  });
});

describe("a product", () => {
  // a, b, c, m, n, k, lda, ldb, ldc, transA, transB, alpha, accumulate
  const gemm = (m: number, n: number, k: number) => [1, 2, 3, m, n, k, k, n, n, 0, 0, 1, 0] as const;

  it("is shared from twice the grain on, which is eight multiply-adds an element", () => {
    for (const [k, parts] of [
      [15, 1],
      [16, 2],
      [24, 3],
    ]) {
      const { shared, direct, jobs } = kernels(2, 100);
      const args = gemm(10, 10, k);
      shared.gemm(...args);
      expect([direct.length, jobs.length], `${k}`).toEqual(parts === 1 ? [1, 0] : [0, 1]);
      if (parts === 1) expect(direct[0]).toEqual(["gemm", ...args]);
      else expect(jobs[0]).toEqual({ kernel: 4, args: [...args, 0, parts], steps: [[13, 1]], units: parts, chunk: 1 });
    }
  });

  it("with a packed weight is shared by the twin of its kernel", () => {
    const { shared, jobs } = kernels(2, 1);
    const args = [1, 2, 7, 0, 3, 10, 20, 30, 1, 1, 0] as const;
    shared.gemmWeight(...args);
    expect(jobs[0]).toEqual({ kernel: 6, args: [...args, 0, 8], steps: [[11, 1]], units: 8, chunk: 1 });
  });
});
