export { complete } from "./complete.ts";
export { exactMatch } from "./exactMatch.ts";
export { nanoModelFolder } from "./nanoModelFolder.ts";
export type { GeneratePairsOptions, TaskPair } from "./tasks/generatePairs.ts";
export { generatePairs } from "./tasks/generatePairs.ts";
export type { LanguageName } from "./tasks/languages/language.ts";
export type { Split } from "./tasks/template.ts";
