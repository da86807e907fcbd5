export { complete, exactMatch } from "./complete.ts";
export { nanoModelFolder } from "./nanoModelFolder.ts";
export { type GeneratePairsOptions, generatePairs, type TaskPair } from "./tasks/generatePairs.ts";
export type { LanguageName } from "./tasks/languages/language.ts";
export type { Split } from "./tasks/template.ts";
