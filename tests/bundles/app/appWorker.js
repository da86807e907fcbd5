import { runApp } from "./app.js";

addEventListener("message", async ({ data }) => {
  try {
    postMessage({ sample: await runApp(data) });
  } catch (error) {
    postMessage({ failure: error.message });
  }
});
