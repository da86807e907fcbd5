// The entry "@lowrank/models/internal": exports for other packages of this repository, not for users. They may change
// in any version.

export { modelFileContents, torchNames } from "./checkpoint/saveModel.ts";
export { checkPenalties, Penalties, type PenaltySettings } from "./generation/settings/penalties.ts";
export { readStops, type Stops } from "./generation/settings/stops.ts";
export { Holdback } from "./generation/text/stopFilter.ts";
export { defaultEos } from "./generation/text/textPieces.ts";
export { continuedChat } from "./generation/text/textPrompt.ts";
export { type RaggedBatch, raggedHidden } from "./model/raggedHidden.ts";
export { classifiesSequences } from "./registry/build/createModel.ts";
export { presetJson, stackPresetNames } from "./registry/configs/configs.ts";
