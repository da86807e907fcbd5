import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's memory for short-lived objects small. Without this, V8 would let it grow to 100 MB on a machine with much
 * memory, although a training step creates few objects.
 */
export function keepYoungSpaceSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
