import { decodeUtf8 } from "./dataRecord.ts";

/** Returns the number, from 1, of the first line that is not UTF-8. */
export function lineOfBadText(bytes: Uint8Array): number {
  let start = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf(10, start);
    try {
      decodeUtf8(bytes.subarray(start, end < 0 ? bytes.length : end));
    } catch {
      return line;
    }
    if (end < 0) return line;
    start = end + 1;
  }
}
