/** Names what lies in a folder of files given by their paths. Names of folders end in "/". */
export function namesIn(paths: Iterable<string>, folder: string): string[] {
  const start = folder === "" ? "" : `${folder}/`;
  const below = [...paths].filter((path) => path.startsWith(start));
  // "run/a.json" is the folder "run/" to those who look from above.
  return [...new Set(below.map((path) => /^[^/]*\/?/.exec(path.slice(start.length))![0]))];
}
