// Loads parts of LoRA that few adapters need. These functions are in a separate file, which is loaded too.
// Otherwise bundlers would list the files of all parts in the script of a page with plain LoRA.

export const loadDora = (): Promise<typeof import("./dora.ts")> => import("./dora.ts");
export const loadEmbedding = (): Promise<typeof import("./loraEmbedding.ts")> => import("./loraEmbedding.ts");
export const loadConvolution = (): Promise<typeof import("./loraConvolution.ts")> => import("./loraConvolution.ts");
export const loadAttention = (): Promise<typeof import("./loraAttention.ts")> => import("./loraAttention.ts");
export const loadBdLora = (): Promise<typeof import("./bdLora.ts")> => import("./bdLora.ts");
export const loadVariant = (): Promise<typeof import("./variants/loraVariant.ts")> =>
  import("./variants/loraVariant.ts");
export const loadAlora = (): Promise<typeof import("./variants/alora.ts")> => import("./variants/alora.ts");
export const loadParameterLora = (): Promise<typeof import("./parameters/parameterLora.ts")> =>
  import("./parameters/parameterLora.ts");
export const loadChanges = (): Promise<typeof import("./loraChanges.ts")> => import("./loraChanges.ts");
