import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";

/** Returns a table of packed packages as text: kB (1000 bytes) to download, and unpacked. */
export function archiveTable(archives: readonly string[]): string {
  const line = (...cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(26) : cell.padStart(10))).join("");
  const rows = archives.map((archive) => {
    const packed = readFileSync(archive);
    const kB = (bytes: number) => (bytes / 1000).toFixed(0);
    return line(basename(archive), kB(packed.length), kB(gunzipSync(packed).length));
  });
  return [line("archive", "kB", "unpacked"), ...rows].join("\n");
}
