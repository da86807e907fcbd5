import { rules } from "./tools/check/rooms.ts";

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: rules,
  options: {
    doNotFollow: { path: "node_modules|/dist/" },
    exclude: { path: "node_modules|/dist/" },
    includeOnly: { path: "^(packages/[^/]+/src|assembly|tests|tools)/" },
    tsPreCompilationDeps: true,
    parser: "tsc",
  },
};
