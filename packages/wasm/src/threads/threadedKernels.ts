import { kernelParameters } from "../kernels/kernelParameters.gen.ts";
import type { Kernels } from "../kernels/kernelTypes.gen.ts";
import { type Cutter, cutters, productsPerElement } from "./cutters.ts";
import { type JobBoard, type Kernel, maxParts } from "./jobBoard.ts";

/** Parts for each thread: one that comes late leaves little for the others to wait for. */
const partsPerThread = 4;

/**
 * The same kernels; those that spend time share their work through `board` where each part is at
 * least `grain` elements of work. `threads` says how many work at present, this one included. The
 * results are the same to the bit.
 */
export function threadedKernels(k: Kernels, board: JobBoard, threads: () => number, grain: number): Kernels {
  const names = Object.keys(k);
  const partsFor = (work: number): number => {
    return Math.min(maxParts, threads() > 1 ? partsPerThread * threads() : 1, Math.floor(work / grain));
  };
  const share = (name: keyof Kernels, cutter: Cutter<string>): Kernel => {
    const direct = k[name] as Kernel;
    const kernel = names.indexOf(name);
    const parameters: readonly string[] = kernelParameters[name];
    const place = (parameter: string | undefined) =>
      parameter === undefined ? undefined : parameters.indexOf(parameter);
    return (...args) => {
      const named: Record<string, number> = {};
      for (let i = 0; i < args.length; i++) named[parameters[i]] = args[i];
      const { work, units, align, steps, count, end, scratch } = cutter(named);
      const chunk = Math.ceil(units / partsFor(work) / align) * align;
      if (!(chunk < units)) return direct(...args);
      const places = { count: place(count), end: place(end), scratch: place(scratch) };
      const grown = Object.entries(steps()).map(([parameter, step = 0]): [number, number] => {
        return [parameters.indexOf(parameter), step];
      });
      return board.run({ kernel, args, steps: grown, units, chunk, ...places });
    };
  };
  /**
   * A product whose kernel has a twin that does part p of q: the kernel's arguments, then p and q.
   */
  const product = (name: "gemm" | "gemmWeight"): Kernel => {
    const kernel = names.indexOf(`${name}Part`);
    const parameters: readonly string[] = kernelParameters[name];
    const [m, n, inner] = ["m", "n", "k"].map((size) => parameters.indexOf(size));
    return (...args) => {
      const parts = partsFor((args[m] * args[n] * args[inner]) / productsPerElement);
      if (parts < 2) return (k[name] as Kernel)(...args);
      return board.run({ kernel, args: [...args, 0, parts], steps: [[args.length, 1]], units: parts, chunk: 1 });
    };
  };
  const shared = Object.entries(cutters).flatMap(([name, cutter]) =>
    name in k ? [[name, share(name as keyof Kernels, cutter as Cutter<string>)]] : [],
  );
  return { ...k, ...Object.fromEntries(shared), gemm: product("gemm"), gemmWeight: product("gemmWeight") };
}
