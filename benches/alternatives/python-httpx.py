"""Starts an agent task with httpx, and waits for it where WAIT is true."""

import os
import time

import httpx

env = os.environ
headers = {
    "Accept": "application/vnd.github+json",
    "Authorization": f"Bearer {env['TOKEN']}",
    "X-GitHub-Api-Version": "2026-03-10",
}
with httpx.Client(base_url=env["GITHUB_API_URL"], headers=headers, timeout=60) as api:

    def ask(method, path, **options):
        return api.request(method, path, **options).raise_for_status().json()

    tasks = f"/agents/repos/{env['REPOSITORY']}/tasks"
    task = ask("POST", tasks, json={"prompt": env["PROMPT"], "create_pull_request": False})
    print(f"started {task['id']}")
    while env["WAIT"] == "true" and task["state"] in ("queued", "in_progress"):
        time.sleep(float(env["INTERVAL"]))
        task = ask("GET", f"{tasks}/{task['id']}")

with open(env["GITHUB_OUTPUT"], "a") as outputs:
    outputs.write(f"task-id={task['id']}\ntask-url={task.get('html_url') or ''}\nstate={task['state']}\n")
