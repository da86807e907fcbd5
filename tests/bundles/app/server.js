// The sample in Node, Deno and Bun: in the program itself, and by an engine in a Worker of
// `node:worker_threads` or, where the program's argument is "web", in a Web Worker.
import { Worker as NodeWorker } from "node:worker_threads";
import { runApp } from "./app.js";
import { runEngine } from "./runEngine.js";

const place = "node_modules/@lowrank/nano/model";
const script = new URL("./engine.js", import.meta.url);
const page = await runApp(place);
const worker = process.argv[2] === "web" ? new Worker(script, { type: "module" }) : new NodeWorker(script);
console.log(JSON.stringify({ page, engine: await runEngine(worker, place) }));
