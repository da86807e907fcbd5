// Loads the parts that the methods of PeftModel need. These functions are in a separate file, which is loaded too.
// Otherwise bundlers would list the files of all parts in the script of a page with plain LoRA.

export const loadExperts = (): Promise<
  [typeof import("../saved/withExperts.ts"), typeof import("../saved/loadSaved.ts")]
> => Promise.all([import("../saved/withExperts.ts"), import("../saved/loadSaved.ts")]);
export const loadReading = (): Promise<
  [typeof import("../saved/readAdapter.ts"), typeof import("../saved/loadSaved.ts")]
> => Promise.all([import("../saved/readAdapter.ts"), import("../saved/loadSaved.ts")]);
export const loadHotswap = (): Promise<
  [typeof import("../saved/readAdapter.ts"), typeof import("../saved/hotswapAdapter.ts")]
> => Promise.all([import("../saved/readAdapter.ts"), import("../saved/hotswapAdapter.ts")]);
export const loadWeighted = (): Promise<typeof import("../weighted/addWeightedAdapter.ts")> =>
  import("../weighted/addWeightedAdapter.ts");
export const loadQuantizing = (): Promise<typeof import("../model/quantizeBase.ts")> =>
  import("../model/quantizeBase.ts");
export const loadMerging = (): Promise<typeof import("../merge/mergeAdapters.ts")> =>
  import("../merge/mergeAdapters.ts");
export const loadSaving = (): Promise<typeof import("../saved/saveAdapters.ts")> => import("../saved/saveAdapters.ts");
export const loadWriting = (): Promise<typeof import("../saved/writeAdapter.ts")> => import("../saved/writeAdapter.ts");
export const loadVerifying = (): Promise<typeof import("../saved/verifySaved.ts")> => import("../saved/verifySaved.ts");
