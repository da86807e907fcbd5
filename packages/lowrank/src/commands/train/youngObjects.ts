import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's memory for short-lived objects small. On a machine with much memory it would grow to 100 MB, although a
 * training step creates few objects.
 */
export function keepYoungSpaceSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
