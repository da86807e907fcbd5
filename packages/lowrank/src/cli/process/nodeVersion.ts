/** The oldest Node on which the command runs, as package.json says. */
const [oldestMajor, oldestMinor] = [22, 12];

/** Returns the error for a version of Node that is too old; null for one that will do. */
export function nodeVersionError(version: string): string | null {
  const [major, minor] = version.split(".").map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return null;
  return `error: lowrank needs Node ${oldestMajor}.${oldestMinor} or later, and this is Node ${version}`;
}
