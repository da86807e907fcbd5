import type { Check } from "./compare.ts";

/** A check that a backend may fail up to a limit. */
interface Exception {
  readonly why: string;
  /** The largest allowed error. */
  readonly most: number;
}

/** Exceptions by backend and check. */
const exceptions: Readonly<Record<string, Readonly<Record<string, Exception>>>> = {
  webgpu: {
    "ops/066.softmaxLarge.d0": {
      why: "SwiftShader takes subnormal numbers for 0, and gives 0 for 2.999e-43; lavapipe gives that",
      most: 3e-43,
    },
  },
};

/** Returns the reason why a backend may fail a check with this error, or undefined if it may not. */
export function exceptionOf(backend: string, { name, off }: Check): string | undefined {
  const exception = exceptions[backend]?.[name];
  return exception && off !== undefined && off <= exception.most ? exception.why : undefined;
}
