// Judges the simulator, and what the program sends, by GitHub's published
// OpenAPI document: Prism stands between the two as a proxy and says of each
// request and of each answer where it breaks the document. What it finds must be
// in the list of known differences, and what is in the list must be found. The
// record of these runs is judged by the SDK of CloudEvents.
//
// usage: check-api PRISM DOCUMENT DIFFERENCES SIMULATOR PROGRAM
//
//   PRISM               the command of @stoplight/prism-cli
//   DOCUMENT            the OpenAPI document, or the part of it that is used
//   DIFFERENCES         .ci/api-differences.yml
//   SIMULATOR, PROGRAM  the two binaries

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudEvent } from "cloudevents";
import { parse } from "yaml";

const [prism, document, list, simulator, program] = process.argv.slice(2);
const templates = Object.keys(JSON.parse(readFileSync(document, "utf8")).paths);

const TOKEN = "github_pat_simulated";
// The longest that anything here may take; nothing takes a tenth of it.
const PATIENCE = 60_000;

const ends = (state, ...effects) => ({ steps: [{ state: "in_progress" }, { effects }, { state }] });
// More than ten, so that they are looked at together.
const services = Array.from({ length: 11 }, (_, at) => `acme/service-${at}`);
const world = {
  speed: 20,
  tokens: {
    // The doctor looks at the real calendar.
    [TOKEN]: { expires: null },
    github_pat_reader: { lacks: ["agent_tasks_write"] },
    github_pat_unlicensed: { licence: false },
  },
  repositories: {
    "octo/app": { branches: ["next"], collaborators: { mona: "write" }, models: ["gpt-5.4"] },
    "octo/ends": {},
    "octo/off": { agent_enabled: false },
    "octo/slow": {},
    "octo/strict": { actions: { allowed: "selected", github_owned: true }, custom_agents: ["fixer"] },
    "acme/rules": { files: { "tasks.yml": "tasks: {prep: {prompt: prep.md}}", "prep.md": "Prepare the release" } },
    ...Object.fromEntries(services.map((name) => [name, { topics: ["java"] }])),
  },
  default_script: ends("completed", { usage: 33570585000 }, { pull: {} }),
  // What becomes of the tasks there, in the order of their starts.
  scripts: {
    "octo/ends": [
      ends("failed", { error: "no tests" }),
      ends("timed_out"),
      ends("cancelled"),
      ends("waiting_for_user", { ask: "Which one?" }),
    ],
    "octo/slow": [{ steps: [{ state: "in_progress" }, { after: 40, effects: [{ pull: {} }] }, { state: "completed" }] }],
  },
};

const start = { prompt: "Prepare the release", wait: "true", "create-pull-request": "true" };
const at = (repository) => ({ ...start, repository });
const many = { prompt: start.prompt, wait: "true", repositories: "query: org:acme topic:java", "idempotency-key": "k" };
const comment = { action: "created", comment: { body: "/agent" }, sender: { login: "mona", type: "User" } };

// The steps, in their order, each with the exit code that it must have. An input
// that is a function gets the outputs of the steps before, the last one first.
const steps = [
  { name: "a start and a wait", inputs: start },
  { name: "a wait by id", inputs: { command: "wait", "task-id": ([last]) => last["task-id"] } },
  { name: "every field of a start", inputs: { ...start, "base-ref": "next", model: "gpt-5.4" } },
  { name: "a wait by results", inputs: { command: "wait", "task-id": ([last]) => last.results } },
  {
    name: "a start on the branch of a pull request",
    inputs: { ...start, "base-ref": "next", "head-ref": ([last]) => last["head-ref"] },
  },
  { name: "one more task", inputs: { ...start, "if-active": "skip" } },
  { name: "a task that takes its time", inputs: at("octo/slow") },
  {
    name: "a wait for several tasks",
    inputs: { command: "wait", "task-id": (all) => JSON.stringify(all.flatMap((it) => JSON.parse(it.results))) },
  },
  { name: "a comment by somebody with write access", event: comment, inputs: start },
  { name: "a class of a policy in another repository", inputs: { wait: "true", policy: "acme/rules:tasks.yml@main", task: "prep" } },
  { name: "many repositories, found by a search", inputs: { ...many, "confirm-timeout": "1s" } },
  { name: "the same once more", inputs: { ...many, "confirm-timeout": "1s" } },
  { name: "a task that fails", code: 1, inputs: at("octo/ends") },
  { name: "a task whose time is up", code: 1, inputs: at("octo/ends") },
  { name: "a task that somebody stops", code: 1, inputs: at("octo/ends") },
  { name: "a task that asks for a person", code: 1, inputs: at("octo/ends") },
  { name: "the doctor", inputs: { command: "doctor", repository: "octo/strict", "custom-agent": "fixer" } },
  { name: "the doctor, of what is not there", code: 1, inputs: { command: "doctor", "base-ref": "gone", "custom-agent": "none" } },
  { name: "the doctor, of a repository that is not there", code: 1, inputs: { command: "doctor", repository: "octo/none" } },
  { name: "a model that GitHub refuses", code: 4, inputs: { ...start, model: "none" } },
  { name: "an unknown token", code: 4, inputs: { ...start, token: "github_pat_unknown" } },
  { name: "a token that may only read", code: 4, inputs: { ...start, token: "github_pat_reader" } },
  { name: "a person without a licence", code: 4, inputs: { ...start, token: "github_pat_unlicensed" } },
  { name: "a repository without the agent", code: 4, inputs: at("octo/off") },
  { name: "a task that is not there", code: 4, inputs: { command: "wait", "task-id": "none", "wait-timeout": "2s" } },
];
const unlucky = [
  { name: "a gateway that answers in place of GitHub", inputs: start },
  { name: "a limit", inputs: start },
  { name: "a pull request that only the list tells of", inputs: start },
];
const rehearsals = {
  "by the book": { world: { ...world, documented: true }, steps },
  "as observed": { world, steps },
  "with bad luck": {
    world: {
      ...world,
      documented: true,
      faults: [
        { route: "start", kind: { status: { code: 502 } }, after_accepting: true },
        { route: "start", kind: { rate_limit: { retry_after: 1 } } },
      ],
      default_script: ends("completed", { pull: { global_id: "absent" } }),
    },
    steps: unlucky,
  },
};

const scratch = mkdtempSync(join(tmpdir(), "check-api-"));
const children = [];
const found = new Map();
let calls = 0;
let faults = 0;

function fault(message) {
  console.log(message);
  faults += 1;
}

// Starts a server, and waits until it has said that it is there.
async function serve(command, args, announcement) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  let said = "";
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`${command} has ended: ${said}`)));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
      const match = announcement.exec(said);
      if (match) resolve(match[1]);
    });
  });
}

// A port that nobody listens on.
async function freePort() {
  const socket = createSocket();
  await new Promise((resolve) => socket.listen(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

// The path as the document has it.
function template(path) {
  const names = path.split("/");
  const fits = (parts) =>
    parts.length === names.length && parts.every((part, at) => part === names[at] || part.startsWith("{"));
  return templates.find((it) => fits(it.split("/"))) ?? path;
}

// Notes what Prism says of a call. Entries of a list are all the same.
function note(rehearsal, step, { method, url }, { statusCode, headers }) {
  calls += 1;
  const call = `${method} ${template(new URL(url, "http://host").pathname)} ${statusCode}`;
  const said = headers["sl-violations"] ?? "[]";
  // Where a header has no room for all of them, it is no JSON.
  if (!said.startsWith("[")) return fault(`${rehearsal}: ${step}: ${call}: ${said}`);
  for (const { location, message } of JSON.parse(said)) {
    const where = location.map((part) => (/^\d+$/.test(part) ? "*" : part)).join(".");
    const says = message.replace(/\.\d+(?=[. ])/g, ".*");
    const key = JSON.stringify([call, where, says]);
    if (!found.has(key)) found.set(key, new Map());
    if (!found.get(key).has(rehearsal)) found.get(key).set(rehearsal, step);
  }
}

// Reads the record as whoever gets its lines does, and says how many there are.
function judgeRecord(path) {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  for (const line of lines) {
    try {
      new CloudEvent(JSON.parse(line));
    } catch (error) {
      fault(`${error.message}: ${line}`);
    }
  }
  return lines.length;
}

// A server in front of Prism, which reads what Prism says of each call.
async function listen(address, rehearsal, current) {
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const onwards = request(new URL(url, address), { method, headers }, (answer) => {
      note(rehearsal, current.step, incoming, answer);
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onwards.on("error", () => outgoing.destroy());
    incoming.pipe(onwards);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

// The outputs in a file as the program writes them: `name<<delimiter`, and the
// last value of a name counts.
function outputs(text) {
  const values = {};
  for (const [, name, , value] of text.matchAll(/^([\w-]+)<<(.+)\n([^]*?)\n\2$/gm)) values[name] = value;
  return values;
}

async function run(address, { event, inputs }, before) {
  const output = join(scratch, "output");
  const payload = join(scratch, "event.json");
  writeFileSync(output, "");
  writeFileSync(payload, JSON.stringify(event ?? {}));
  const environment = {
    GITHUB_ACTIONS: "true",
    GITHUB_ACTOR: "mona",
    GITHUB_API_URL: address,
    GITHUB_EVENT_NAME: event ? "issue_comment" : "schedule",
    GITHUB_EVENT_PATH: payload,
    GITHUB_GRAPHQL_URL: `${address}/graphql`,
    GITHUB_OUTPUT: output,
    GITHUB_REPOSITORY: "octo/app",
    GITHUB_RUN_ATTEMPT: "1",
    GITHUB_RUN_ID: String(calls),
    RUNNER_TEMP: scratch,
  };
  for (const [name, value] of Object.entries({ token: TOKEN, "poll-interval": "100ms", ...inputs })) {
    const text = typeof value === "function" ? value(before) : value;
    environment[`INPUT_${name.toUpperCase().replaceAll("-", "_")}`] = text;
  }
  const child = spawn(program, { env: environment, stdio: ["ignore", "pipe", "pipe"], timeout: PATIENCE });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (log += text));
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  return { code, log, outputs: outputs(readFileSync(output, "utf8")) };
}

async function rehearse(name, { world, steps }) {
  const scenario = join(scratch, "scenario.json");
  writeFileSync(scenario, JSON.stringify(world));
  const github = await serve(simulator, ["--scenario", scenario], /^(http:\S+)\n/);
  const port = await freePort();
  const args = [prism, "proxy", document, github, "--host", "127.0.0.1", "--port", String(port)];
  const judge = await serve(process.execPath, args, /listening on (http:\S+)/);
  const current = {};
  const server = await listen(judge, name, current);
  const address = `http://127.0.0.1:${server.address().port}`;
  const before = [];
  for (const step of steps) {
    current.step = step.name;
    const ran = await run(address, step, before);
    if (ran.code !== (step.code ?? 0)) fault(`${name}: ${step.name}: exit code ${ran.code}:\n${ran.log}`);
    before.unshift(ran.outputs);
  }
  server.close();
}

let recorded = 0;
try {
  for (const [name, rehearsal] of Object.entries(rehearsals)) await rehearse(name, rehearsal);
  recorded = judgeRecord(join(scratch, "agent-task", "audit.jsonl"));
} finally {
  for (const child of children) child.kill();
  rmSync(scratch, { recursive: true });
}

const known = new Map();
for (const { call, where, says, only, why } of parse(readFileSync(list, "utf8"))) {
  const key = JSON.stringify([call, where, says]);
  if (!why || known.has(key)) fault(`${list}: ${key} ${why ? "is there twice" : "has no reason"}`);
  if (only && !rehearsals[only]) fault(`${list}: there is no rehearsal \`${only}\``);
  known.set(key, only);
  if (!found.has(key)) fault(`in ${list}, but it did not occur: ${key}`);
}
for (const [key, places] of found) {
  for (const [rehearsal, step] of places) {
    const only = known.get(key) ?? rehearsal;
    if (!known.has(key) || only !== rehearsal) fault(`not in ${list}: ${key} (${rehearsal}: ${step})`);
  }
}
console.log(`${calls} calls, ${found.size} kinds of differences, ${recorded} lines of record, ${faults} faults`);
process.exitCode = faults ? 1 : 0;
