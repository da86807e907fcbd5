import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's space for young objects from growing. With much memory it grows to 100 MB, although a training step makes
 * few objects.
 */
export function keepYoungSpaceSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
