// The functions of @huggingface/hub that are used. In the published package this file is a bundle
// of these, which runs in Node and in pages: see scripts/bundleHub.ts.
export { downloadFile, listFiles, modelInfo } from "@huggingface/hub";
