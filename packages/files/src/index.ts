export { fullDisk } from "./disk/fullDisk.ts";
export { type HubPlace, parseHubAddress } from "./hub/hubAddress.ts";
export { hubFiles } from "./hub/hubFiles.ts";
export type { HubFilesOptions, HubOptions } from "./hub/hubSettings.ts";
export type { DirectoryHandle, FileHandle } from "./interface/directoryHandle.ts";
export {
  type FileContent,
  type ModelFiles,
  missingFile,
  readJson,
  type WritableFiles,
} from "./interface/modelFiles.ts";
export { openFile } from "./open/openFile.ts";
export { type OpenOptions, openFiles } from "./open/openFiles.ts";
export { directoryFiles } from "./places/directoryFiles.ts";
export { filesIn } from "./places/filesIn.ts";
export { folderFiles } from "./places/folderFiles.ts";
export { memoryFiles } from "./places/memoryFiles.ts";
export { opfsFiles } from "./places/opfsFiles.ts";
export { type UrlFilesOptions, urlFiles } from "./places/urlFiles.ts";
export { removeFolder } from "./writing/removeFolder.ts";
export { writeFile } from "./writing/writeFile.ts";
export { type WritablePlace, writeFiles, writeFolderOf } from "./writing/writeFiles.ts";
export { writeFolder } from "./writing/writeFolder.ts";
