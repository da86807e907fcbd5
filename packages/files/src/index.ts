export { folderFiles } from "./folderFiles.ts";
export { memoryFiles } from "./memoryFiles.ts";
export { type ModelFiles, missingFile, readJson } from "./modelFiles.ts";
export { openFile } from "./openFile.ts";
export { openFiles } from "./openFiles.ts";
export { type UrlFilesOptions, urlFiles } from "./urlFiles.ts";
export { writeFile } from "./writeFile.ts";
export { writeFolder } from "./writeFolder.ts";
