/**
 * Returns the names of the files and folders directly in `folder`, from the full paths of all files. Names of folders
 * end in "/".
 */
export function namesIn(paths: Iterable<string>, folder: string): string[] {
  const start = folder === "" ? "" : `${folder}/`;
  const below = [...paths].filter((path) => path.startsWith(start));
  // The path "run/a.json", relative to the folder, gives the folder name "run/".
  return [...new Set(below.map((path) => /^[^/]*\/?/.exec(path.slice(start.length))![0]))];
}
