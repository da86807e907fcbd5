/**
 * Folder of the embedded model on disk, with Hugging Face's files `config.json`, `model.safetensors` and
 * `tokenizer.json`. A web page cannot open it: serve a copy of `node_modules/@lowrank/nano/model` from your site, and
 * pass its address to `urlFiles`.
 */
export const nanoModelFolder: URL = new URL(/* @vite-ignore */ "../model/", import.meta.url);
