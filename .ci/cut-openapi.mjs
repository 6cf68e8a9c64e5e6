// Prints the part of GitHub's OpenAPI document that the program is concerned
// with: with all of it, 73 MB, Prism takes minutes to start.
//
// usage: cut-openapi DOCUMENT >PART

import { readFileSync } from "node:fs";

const USED = [
  /^\/agents\/(repos\/\{owner\}\/\{repo\}\/)?tasks(\/\{task_id\})?$/,
  /^\/repos\/\{owner\}\/\{repo\}$/,
  /^\/repos\/\{owner\}\/\{repo\}\/actions\/permissions(\/selected-actions)?$/,
  /^\/repos\/\{owner\}\/\{repo\}\/branches\/\{branch\}$/,
  /^\/repos\/\{owner\}\/\{repo\}\/collaborators\/\{username\}\/permission$/,
  /^\/repos\/\{owner\}\/\{repo\}\/commits$/,
  /^\/repos\/\{owner\}\/\{repo\}\/contents\/\{path\}$/,
  /^\/repos\/\{owner\}\/\{repo\}\/copilot\/cloud-agent\/configuration$/,
  /^\/repos\/\{owner\}\/\{repo\}\/pulls$/,
  /^\/search\/repositories$/,
  /^\/user$/,
];

const { openapi, info, paths } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const used = Object.entries(paths).filter(([path]) => USED.some((it) => it.test(path)));
for (const it of USED) {
  if (!used.some(([path]) => it.test(path))) throw new Error(`the document has no path like ${it}`);
}
// `{path}` stands for folders as well, which OpenAPI has no way to say.
const [contents, { get }] = used.find(([path]) => path.endsWith("/contents/{path}"));
for (const folders of [["top"], ["top", "next"]]) {
  const path = contents.replace("{path}", [...folders.map((it) => `{${it}}`), "{path}"].join("/"));
  const parameters = folders.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } }));
  const operationId = `${get.operationId}-${folders.length}`;
  used.push([path, { get: { ...get, operationId, parameters: [...get.parameters, ...parameters] } }]);
}
console.log(JSON.stringify({ openapi, info, paths: Object.fromEntries(used) }));
