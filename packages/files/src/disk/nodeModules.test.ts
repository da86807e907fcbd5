import { expect, test } from "vitest";
import { openFile } from "../open/openFile.ts";
import { folderFiles } from "../places/folderFiles.ts";
import { writeFolder } from "../writing/writeFolder.ts";

const inNode = globalThis.process?.getBuiltinModule !== undefined;

test.skipIf(inNode)("(browsers alone) there are no folders: the error says what to give instead", async () => {
  const message = 'give urlFiles(new URL("model/", location.href)), or memoryFiles';
  await expect(folderFiles("./model")).rejects.toThrow(`./model is a place on disk, which only Node can open`);
  await expect(openFile("./model.gguf")).rejects.toThrow(message);
  await expect(writeFolder("./out", new Map())).rejects.toThrow(message);
});
