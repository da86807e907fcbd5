/** Returns the names directly in a folder, from the full paths of all files. Names of folders end in "/". */
export function namesIn(paths: Iterable<string>, folder: string): string[] {
  const start = folder === "" ? "" : `${folder}/`;
  const below = [...paths].filter((path) => path.startsWith(start));
  // For its parent folder, "run/a.json" gives the folder name "run/".
  return [...new Set(below.map((path) => /^[^/]*\/?/.exec(path.slice(start.length))![0]))];
}
