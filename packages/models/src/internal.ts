// The entry "@lowrank/models/internal": exports for other packages of this repository, not for users. They may change
// in any version.

export { modelFileContents, torchNames } from "./checkpoint/saveModel.ts";
export { continuedChat } from "./generation/continuedChat.ts";
export { Holdback } from "./generation/holdback.ts";
export { checkPenalties, Penalties, type PenaltySettings } from "./generation/penalties.ts";
export { readStops, type Stops } from "./generation/stops.ts";
export { defaultEos } from "./generation/textPieces.ts";
export { type RaggedBatch, raggedHidden } from "./model/raggedHidden.ts";
export { classifiesSequences } from "./registry/build/describeConfig.ts";
export { presetJson, stackPresetNames } from "./registry/configs/configs.ts";
