// Judges the files in examples/backstage and examples/port: by their schemas, and by the workflows that they run. Their
// expressions are evaluated as the portals do it, with Backstage's template engine and with jq, for a form that is filled
// in and for one with only what is required.
//
// Backstage publishes the schema of its templates in @backstage/plugin-scaffolder-common. Only that file of the package
// is read, so package.json replaces the package's largest dependency, the SDKs of all Git hosts, by a small one.
// Port publishes none; port.schema.json says where ours is from.
//
// usage: check-portals PORT_SCHEMA     (in the root of the repository)

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import {
  EntityPolicies,
  entityKindSchemaValidator,
  FieldFormatEntityPolicy,
  NoForeignRootFieldsEntityPolicy,
  SchemaValidEntityPolicy,
} from "@backstage/catalog-model";
import Ajv from "ajv";
import { createTemplateRenderer } from "nunjitsu";
import { parse } from "yaml";

const require = createRequire(import.meta.url);
const common = require.resolve("@backstage/plugin-scaffolder-common");
const template = require(common.replace("index.cjs.js", "Template.v1beta3.schema.json.cjs.js")).default;
const portSchema = JSON.parse(readFileSync(process.argv[2], "utf8"));

let faults = 0;
function fault(file, message) {
  console.log(`${file}: ${message}`);
  faults += 1;
}

const files = (folder) => readdirSync(folder).sort().map((name) => `${folder}/${name}`);
const read = (file) => parse(readFileSync(file, "utf8"));

// A value for a property of a form.
function sample(property) {
  if (property.enum) return property.enum[0];
  if (property.type === "boolean") return true;
  return property.pattern?.startsWith("^@") ? "@acme/shop" : "some-text";
}

// The form filled in, and the form with only what is required.
function forms(properties, required) {
  const filled = Object.entries(properties).map(([name, property]) => [name, sample(property)]);
  return [Object.fromEntries(filled), Object.fromEntries(filled.filter(([name]) => required.includes(name)))];
}

// Compares what a portal sends with the form of the workflow, and the choices with those of the portal's form.
function checkDispatch(file, workflow, expressions, evaluate, properties, required) {
  let inputs;
  try {
    inputs = read(`examples/workflows/${workflow}`).on.workflow_dispatch.inputs;
  } catch {
    return fault(file, `examples/workflows/${workflow} is not a workflow with inputs`);
  }
  for (const name of Object.keys(expressions)) {
    if (!inputs[name]) fault(file, `${workflow} has no input ${name}`);
  }
  for (const form of forms(properties, required)) {
    const sent = evaluate(form);
    for (const [name, input] of Object.entries(inputs)) {
      const value = sent[name];
      if (value === undefined ? input.required : typeof value !== "string") {
        fault(file, `the input ${name} of ${workflow} gets ${JSON.stringify(value)}, not a text`);
      } else if (input.required && value === "") {
        fault(file, `the input ${name} of ${workflow} is required and gets an empty text`);
      } else if (input.type === "boolean" && !["true", "false"].includes(value)) {
        fault(file, `the input ${name} of ${workflow} gets ${JSON.stringify(value)}, not true or false`);
      }
    }
  }
  for (const [name, { options }] of Object.entries(inputs).filter(([, input]) => input.options)) {
    const field = Object.entries(properties).find(([field]) => expressions[name]?.includes(`.${field} `));
    if (!isDeepStrictEqual(field?.[1].enum, options)) fault(file, `the choices for ${name} differ from those of ${workflow}`);
  }
}

// The expressions in a text that name something unknown.
function checkNames(file, text, pattern, known) {
  for (const [, name] of text.matchAll(pattern)) {
    if (!known.includes(name)) fault(file, `unknown name ${name}`);
  }
}

const renderer = createTemplateRenderer();
const envelope = EntityPolicies.allOf([
  new SchemaValidEntityPolicy(),
  new NoForeignRootFieldsEntityPolicy(),
  new FieldFormatEntityPolicy(),
]);
const isTemplate = entityKindSchemaValidator(template);

for (const file of files("examples/backstage")) {
  const text = readFileSync(file, "utf8");
  const entity = parse(text);
  try {
    await envelope.enforce({ ...entity, metadata: { namespace: "default", ...entity.metadata } });
    if (!isTemplate(entity)) fault(file, "not a Template");
  } catch (error) {
    fault(file, error.message);
    continue;
  }
  const pages = [entity.spec.parameters].flat();
  const properties = Object.assign({}, ...pages.map((page) => page.properties));
  const required = pages.flatMap((page) => page.required ?? []);
  checkNames(file, text, /parameters\.(\w+)/g, Object.keys(properties));
  checkNames(file, text, /steps\.(\w+)\./g, entity.spec.steps.map((step) => step.id));
  checkNames(file, text, /\.output\.(\w+)/g, ["workflowRunId", "workflowRunUrl", "workflowRunHtmlUrl"]);
  const step = entity.spec.steps.find(({ action }) => action === "github:actions:dispatch");
  const { repoUrl, workflowId, branchOrTagName, workflowInputs, returnWorkflowRunDetails, ...unknown } = step.input;
  if (!repoUrl || !branchOrTagName) fault(file, "the dispatch has no repository or no branch");
  if (!returnWorkflowRunDetails) fault(file, "without returnWorkflowRunDetails there is no link to the run");
  for (const name of Object.keys(unknown)) fault(file, `github:actions:dispatch has no input ${name}`);
  const evaluate = (parameters) => {
    const context = { parameters, user: { ref: "user:default/mona" } };
    return JSON.parse(JSON.stringify(workflowInputs), (_, value) =>
      typeof value === "string" ? renderer.renderValue(value, context, { coercion: "json" }) : value,
    );
  };
  checkDispatch(file, workflowId, workflowInputs, evaluate, properties, required);
}

const ajv = new Ajv({ strict: false, formats: { regex: true } }).addSchema(portSchema, "port");
const jq = (expression, input) => {
  const output = execFileSync("jq", ["--compact-output", expression], { input: JSON.stringify(input), encoding: "utf8" });
  return output === "null\n" ? undefined : JSON.parse(output);
};

for (const file of files("examples/port")) {
  const kind = { "blueprint.json": "blueprint", "mapping.yml": "mapping" }[file.split("/").pop()] ?? "action";
  const value = read(file);
  if (!ajv.validate(`port#/definitions/${kind}`, value)) {
    for (const { instancePath, message, params } of ajv.errors) {
      fault(file, `${instancePath} ${message} ${JSON.stringify(params)}`);
    }
  } else if (kind === "action") {
    const { properties, required, order } = value.trigger.userInputs;
    if (!isDeepStrictEqual(order, Object.keys(properties))) fault(file, "`order` has not every input");
    const { workflow, workflowInputs } = value.invocationMethod.integrationActionExecutionProperties;
    checkNames(file, JSON.stringify(workflowInputs), /\.inputs\.(\w+)/g, Object.keys(properties));
    const evaluate = (inputs) => {
      const context = { inputs, trigger: { by: { user: { email: "mona@acme.example" } } } };
      const values = Object.entries(workflowInputs).map(([name, expression]) => [
        name,
        jq(expression.replace(/^\{\{|\}\}$/g, ""), context),
      ]);
      return Object.fromEntries(values);
    };
    checkDispatch(file, workflow, workflowInputs, evaluate, properties, required);
  } else if (kind === "mapping") {
    const blueprint = read("examples/port/blueprint.json");
    const run = {
      id: 1, name: "x", display_title: "x", status: "completed", conclusion: "success", html_url: "https://github.com/acme",
      repository: { full_name: "acme/app" }, triggering_actor: { login: "mona" }, run_started_at: "2026-11-20T08:00:00Z",
    };
    for (const { selector, port } of value.resources) {
      const { properties, ...rest } = port.entity.mappings;
      const selected = (path) => jq(selector.query, { ...run, path });
      for (const [path, expected] of [
        [".github/workflows/dispatch-button.yml", true],
        [".github/workflows/new-repository.yml@refs/heads/main", true],
        [".github/workflows/ci.yml", false],
      ]) {
        if (selected(path) !== expected) fault(file, `the selector gives ${selected(path)} for ${path}`);
      }
      if (jq(rest.blueprint, run) !== blueprint.identifier) fault(file, "not the blueprint of blueprint.json");
      if (!isDeepStrictEqual(Object.keys(properties), Object.keys(blueprint.schema.properties))) {
        fault(file, "other properties than in blueprint.json");
      }
      for (const [name, expression] of Object.entries({ ...rest, ...properties })) {
        if (typeof jq(expression, run) !== "string") fault(file, `${name} is not a text`);
      }
    }
  }
}

process.exit(faults > 0 ? 1 : 0);
