/**
 * Folder of the embedded model on disk, in the layout of Hugging Face: `config.json`,
 * `model.safetensors`, `tokenizer.json`. A page cannot open it: let your site serve a copy of
 * `node_modules/@lowrank/nano/model` and give `urlFiles` its address.
 */
export const nanoModelFolder: URL = new URL(/* @vite-ignore */ "../model/", import.meta.url);
