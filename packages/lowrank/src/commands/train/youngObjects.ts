import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's space for young objects from growing. Where memory is large it takes 100 MB, for a few
 * that a training step makes and drops.
 */
export function keepYoungSpaceSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
