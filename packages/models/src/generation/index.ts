// Parts of generation for `@lowrank/serve`, which has its own decoding loop.
export { continuedChat } from "./continuedChat.ts";
export { Holdback } from "./holdback.ts";
export { checkPenalties, Penalties, type PenaltySettings } from "./penalties.ts";
export { readStops, type Stops } from "./stops.ts";
export { defaultEos } from "./textPieces.ts";
