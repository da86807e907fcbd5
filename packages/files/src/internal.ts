// The entry "@lowrank/files/internal": what other packages of this repository need and users do not. It may change in
// any version.

export { fullDisk } from "./disk/fullDisk.ts";
export { type HubPlace, parseHubAddress } from "./hub/hubAddress.ts";
export { missingFile } from "./interface/modelFiles.ts";
export { removeFolder } from "./writing/removeFolder.ts";
export { writeFile } from "./writing/writeFile.ts";
export { writeFiles, writeFolderOf } from "./writing/writeFiles.ts";
