import type { ModelFiles } from "../interface/modelFiles.ts";

/** Returns the files of a subfolder, with names relative to it, as in `filesIn(files, "run/checkpoint-8")`. */
export function filesIn(files: ModelFiles, folder: string): ModelFiles {
  const under = (name: string) => `${folder}/${name}`;
  return {
    label: `${files.label}/${folder}`,
    has: (name) => files.has(under(name)),
    readText: (name) => files.readText(under(name)),
    open: (name) => files.open(under(name)),
    ...(files.list && { list: (inner) => files.list!(inner ? under(inner) : folder) }),
  };
}
