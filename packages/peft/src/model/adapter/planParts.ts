// Loads parts of the creation of an adapter. These functions are in a separate file, which is loaded too.
// Otherwise bundlers would list the files of all parts in the script of a page with plain LoRA.

export const loadPlanTies = (): Promise<typeof import("./planTies.ts")> => import("./planTies.ts");
export const loadChangedBase = (): Promise<typeof import("./changedBase.ts")> => import("./changedBase.ts");
export const loadPlanTokens = (): Promise<typeof import("./planTokens.ts")> => import("./planTokens.ts");
export const loadBiasSwaps = (): Promise<typeof import("./biasSwaps.ts")> => import("./biasSwaps.ts");
export const loadSavedTables = (): Promise<typeof import("./savedTables.ts")> => import("./savedTables.ts");
export const loadSavedModules = (): Promise<typeof import("./savedModules.ts")> => import("./savedModules.ts");
export const loadPatternWarnings = (): Promise<typeof import("../../targets/patternWarnings.ts")> =>
  import("../../targets/patternWarnings.ts");
export const loadTargetWarnings = (): Promise<typeof import("../../targets/targetWarnings.ts")> =>
  import("../../targets/targetWarnings.ts");
