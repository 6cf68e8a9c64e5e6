#!/usr/bin/env bash
# Starts an agent task with `gh api`, and waits for it where WAIT is true.
set -euo pipefail

export GH_TOKEN=$TOKEN GH_ENTERPRISE_TOKEN=$TOKEN
tasks=$GITHUB_API_URL/agents/repos/$REPOSITORY/tasks

api() {
	gh api -H "Accept: application/vnd.github+json" -H "X-GitHub-Api-Version: 2026-03-10" "$@"
}

task=$(api "$tasks" --raw-field "prompt=$PROMPT" --field create_pull_request=false \
	--jq '"\(.id) \(.state) \(.html_url // "")"')
read -r id state url <<<"$task"
printf 'started %s\n' "$id"

while [[ $WAIT == true && $state =~ ^(queued|in_progress)$ ]]; do
	sleep "$INTERVAL"
	state=$(api "$tasks/$id" --jq .state)
done

printf 'task-id=%s\ntask-url=%s\nstate=%s\n' "$id" "$url" "$state" >>"$GITHUB_OUTPUT"
