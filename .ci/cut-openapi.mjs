// Prints the part of GitHub's OpenAPI document that the program is concerned
// with: with all of it, 73 MB, Prism takes minutes to start.
//
// usage: cut-openapi DOCUMENT >PART

import { readFileSync } from "node:fs";

const USED = [
  /^\/agents\/(repos\/\{owner\}\/\{repo\}\/)?tasks(\/\{task_id\})?$/,
  /^\/repos\/\{owner\}\/\{repo\}\/collaborators\/\{username\}\/permission$/,
  /^\/repos\/\{owner\}\/\{repo\}\/commits$/,
  /^\/repos\/\{owner\}\/\{repo\}\/contents\/\{path\}$/,
  /^\/repos\/\{owner\}\/\{repo\}\/pulls$/,
  /^\/search\/repositories$/,
  /^\/user$/,
];

const { openapi, info, paths } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const used = Object.entries(paths).filter(([path]) => USED.some((it) => it.test(path)));
for (const it of USED) {
  if (!used.some(([path]) => it.test(path))) throw new Error(`the document has no path like ${it}`);
}
console.log(JSON.stringify({ openapi, info, paths: Object.fromEntries(used) }));
