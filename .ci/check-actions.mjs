// Judges workflows and action manifests with GitHub's own language service,
// the one behind its editor extension. .ci/run bundles this file with esbuild,
// because Node 20 cannot import the service's JSON modules as they are.
//
// usage: check-actions FILE...    (an action's file must be called action.yml)

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { validate } from "@actions/languageservice";
import { TextDocument } from "vscode-languageserver-textdocument";
import { parse } from "yaml";

const WARNING = 2; // DiagnosticSeverity: 1 error, 2 warning, 3 information, 4 hint
// The service knows a payload by one example of it, and takes a list that is empty there for one without items.
const FALSE_ALARM = "Context access might be invalid: 0";
const KINDS = ["", "error", "warning", "note", "hint"];

const ours = existsSync("action.yml") ? parse(readFileSync("action.yml", "utf8")) : {};

const config = {
  // What `$/path` names lies in this repository.
  fileProvider: {
    getFileContent: async ({ path }) => ({ name: path, content: readFileSync(path, "utf8") }),
  },
  // Inputs given to our own action are held against action.yml. Nothing is
  // known here of other people's actions, so theirs pass.
  actionsMetadataProvider: {
    fetchActionMetadata: async ({ name, path }) =>
      name === "agent-task" && !path ? ours : { name, description: "" },
  },
};

let faults = 0;
for (const file of process.argv.slice(2)) {
  const uri = pathToFileURL(resolve(file)).href;
  const document = TextDocument.create(uri, "yaml", 1, readFileSync(file, "utf8"));
  for (const { severity = 1, range, message } of await validate(document, config)) {
    const { line, character } = range.start;
    console.log(`${file}:${line + 1}:${character + 1}: ${KINDS[severity]}: ${message}`);
    faults += severity <= WARNING && message !== FALSE_ALARM;
  }
}
process.exitCode = faults ? 1 : 0;
