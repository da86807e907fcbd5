import type { Equivalents } from "./equivalents.ts";

export const files: Equivalents = [
  [
    "interface/modelFiles.ts",
    "for (let i = 0; i < text.length; i++) {",
    "<",
    "<=",
    "the code of a character beyond the end is NaN, which is neither a quote nor a bracket",
  ],
  [
    "interface/modelFiles.ts",
    "for (i++; i < text.length && text.charCodeAt(i) !== quote; i++) if (text.charCodeAt(i) === backslash) i++;",
    "<",
    "<=",
    "beyond the end there is no quote; the outer loop ends one character later",
  ],
  [
    "hub/folderStore.ts",
    "const part = `${file}.${crypto.randomUUID().slice(0, 8)}`;",
    "0",
    "1",
    "a random ending of 7 digits instead of 8",
  ],
  [
    "hub/folderStore.ts",
    "const part = `${file}.${crypto.randomUUID().slice(0, 8)}`;",
    "8",
    "9",
    "a random ending of 9 characters instead of 8",
  ],
  [
    "hub/hubSettings.ts",
    "const expand = (path: string) => (/^~(?=$|[/\\\\])/.test(path) ? join(homedir(), path.slice(1)) : path);",
    "1",
    "2",
    "join adds the separator that is left out",
  ],
];
