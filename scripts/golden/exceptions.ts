/** Checks that a backend may fail, by the names of both, and why. */
const exceptions: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  webgpu: {
    "ops/066.softmaxLarge.d0": "drivers may take subnormal numbers for 0 and give 0 in their place",
  },
};

/** Returns why a backend may fail a check; undefined where it may not. */
export function exceptionOf(backend: string, check: string): string | undefined {
  return exceptions[backend]?.[check];
}
