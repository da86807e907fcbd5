// Parts of generation, for packages that choose tokens in passes of their own: `@lowrank/serve`.
export { checkPenalties, Penalties, type PenaltySettings } from "./penalties.ts";
export { RowText } from "./rowText.ts";
export { stopFilter } from "./stopFilter.ts";
export { readStops, type Stops } from "./stops.ts";
export { defaultEos } from "./textPieces.ts";
export { promptTokens } from "./textPrompt.ts";
