import { folderFiles, type ModelFiles, urlFiles } from "@lowrank/files";

/** Returns the repository's golden data: a folder in Node, a path on the test server in a browser. */
export async function goldenFiles(): Promise<ModelFiles> {
  const here = import.meta.url;
  if (here.startsWith("file:")) return folderFiles(new URL("../../../golden/", here));
  return urlFiles(new URL("/golden/", here));
}
