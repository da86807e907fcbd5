import { readFileSync } from "node:fs";

/** Oldest supported Node version, as in package.json. */
const [oldestMajor, oldestMinor] = [22, 12];

/** Returns an error message for a version of Node that is too old; null for a supported one. */
export function nodeVersionError(version: string): string | null {
  const [major, minor] = version.split(".").map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return null;
  return `error: lowrank needs Node ${oldestMajor}.${oldestMinor} or later, and this is Node ${version}`;
}

/** Returns the version of this package. */
export function ownVersion(): string {
  const manifest = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
