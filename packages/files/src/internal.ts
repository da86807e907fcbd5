// The entry "@lowrank/files/internal": exports for other packages of this repository, not for users. They may change in
// any version.

export { fullDisk } from "./disk/fullDisk.ts";
export { type HubPlace, parseHubAddress } from "./hub/hubAddress.ts";
export { missingFile } from "./interface/modelFiles.ts";
export { removeFolder, writeFiles, writeFolderOf } from "./writing/writeFiles.ts";
export { writeFile } from "./writing/writeFolder.ts";
