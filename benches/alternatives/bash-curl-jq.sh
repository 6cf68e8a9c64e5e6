#!/usr/bin/env bash
# Starts an agent task with curl and jq, and waits for it where WAIT is true.
set -euo pipefail

tasks=$GITHUB_API_URL/agents/repos/$REPOSITORY/tasks

api() {
	curl --fail-with-body --silent --show-error --max-time 60 \
		-H "Accept: application/vnd.github+json" \
		-H "Authorization: Bearer $TOKEN" \
		-H "X-GitHub-Api-Version: 2026-03-10" "$@"
}

task=$(jq --null-input --arg prompt "$PROMPT" '{$prompt, create_pull_request: false}' | api --data @- "$tasks" |
	jq --raw-output '"\(.id) \(.state) \(.html_url // "")"')
read -r id state url <<<"$task"
printf 'started %s\n' "$id"

while [[ $WAIT == true && $state =~ ^(queued|in_progress)$ ]]; do
	sleep "$INTERVAL"
	state=$(api "$tasks/$id" | jq --raw-output .state)
done

printf 'task-id=%s\ntask-url=%s\nstate=%s\n' "$id" "$url" "$state" >>"$GITHUB_OUTPUT"
