// Parts of generation, for packages that choose tokens in passes of their own: `@lowrank/serve`.
export { continuedChat } from "./continuedChat.ts";
export { Holdback } from "./holdback.ts";
export { checkPenalties, Penalties, type PenaltySettings } from "./penalties.ts";
export { readStops, type Stops } from "./stops.ts";
export { defaultEos } from "./textPieces.ts";
