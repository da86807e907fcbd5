// Loads initialisations that few adapters need. These functions are in a separate file, which is loaded too.
// Otherwise bundlers would list the files of all parts in the script of a page with plain LoRA.

export const loadMinorFactors = (): Promise<typeof import("./minorFactors.ts")> => import("./minorFactors.ts");
export const loadOrthogonalStart = (): Promise<typeof import("./orthogonalStart.ts")> => import("./orthogonalStart.ts");
export const loadFactorStart = (): Promise<typeof import("./factorStart.ts")> => import("./factorStart.ts");
export const loadEva = (): Promise<typeof import("./eva.ts")> => import("./eva.ts");
