// `@lowrank/serve/node`: the parts of the HTTP server that need Node.

export { type Listening, type ListenOptions, listen } from "./listen.ts";
export { type PromMetricsOptions, promMetrics } from "./metrics/promMetrics.ts";
