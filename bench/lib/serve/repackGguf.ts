import { basename, dirname, join } from "node:path";
import { init, reference } from "@lowrank/core";
import { openFile, openFiles, writeFolder } from "@lowrank/files";
import { fromGguf, type GgufDType, openGguf, toGguf, writeGguf } from "@lowrank/models";

/** Writes copies of a GGUF file with other matrix types into a folder. Returns their paths. */
export async function repackGguf(model: string, folder: string, dtypes: readonly GgufDType[]): Promise<string[]> {
  await init(reference());
  const plain = join(folder, "plain");
  await writeFolder(plain, await fromGguf(await openGguf(await openFile(model), model), { dtype: "f16" }));
  const paths = [];
  for (const dtype of dtypes) {
    const path = join(folder, `${dtype}.gguf`);
    const contents = await toGguf(await openFiles(plain), { dtype });
    await writeFolder(dirname(path), new Map([[basename(path), writeGguf(contents)]]));
    paths.push(path);
  }
  return paths;
}
