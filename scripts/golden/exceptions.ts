import type { Check } from "./compare.ts";

/** A check that a backend may fail, by so much. */
interface Exception {
  readonly why: string;
  /** The most by which a number may be off. */
  readonly most: number;
}

/** Exceptions by the names of backend and check. */
const exceptions: Readonly<Record<string, Readonly<Record<string, Exception>>>> = {
  webgpu: {
    "ops/066.softmaxLarge.d0": {
      why: "SwiftShader takes subnormal numbers for 0, and gives 0 for 2.999e-43; lavapipe gives that",
      most: 3e-43,
    },
  },
};

/** Returns why a backend may fail a check as it did; undefined where it may not. */
export function exceptionOf(backend: string, { name, off }: Check): string | undefined {
  const exception = exceptions[backend]?.[name];
  return exception && off !== undefined && off <= exception.most ? exception.why : undefined;
}
