// The sample: it loads a model, trains a LoRA and generates.
import { runApp } from "../app/app.js";

globalThis.runPage = () => runApp(new URL("/model/", location.href).href);
