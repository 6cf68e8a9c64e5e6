// Starts an agent task with @octokit/core, and waits for it where WAIT is true.
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Octokit } from "@octokit/core";

const { GITHUB_API_URL, GITHUB_OUTPUT, INTERVAL, PROMPT, REPOSITORY, TOKEN, WAIT } = process.env;
const [owner, repo] = REPOSITORY.split("/");
const headers = { "X-GitHub-Api-Version": "2026-03-10" };
const octokit = new Octokit({ auth: TOKEN, baseUrl: GITHUB_API_URL });

let { data: task } = await octokit.request("POST /agents/repos/{owner}/{repo}/tasks", {
  owner, repo, headers, prompt: PROMPT, create_pull_request: false,
});
console.log(`started ${task.id}`);
while (WAIT === "true" && ["queued", "in_progress"].includes(task.state)) {
  await sleep(Number(INTERVAL) * 1000);
  ({ data: task } = await octokit.request("GET /agents/repos/{owner}/{repo}/tasks/{task_id}", {
    owner, repo, headers, task_id: task.id,
  }));
}
appendFileSync(GITHUB_OUTPUT, `task-id=${task.id}\ntask-url=${task.html_url ?? ""}\nstate=${task.state}\n`);
