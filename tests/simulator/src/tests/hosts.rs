//! Hosts that are not GitHub.

use crate::{Host, Simulator};

use super::{TOKEN, as_token, get, request, send};

#[tokio::test(start_paused = true)]
async fn enterprise_server_has_no_agent_tasks() {
    let simulator = Simulator::new();
    simulator.settings(|it| it.host = Host::EnterpriseServer("3.19.1".to_owned()));
    let reply = as_token(&simulator, TOKEN, "POST", "/api/v3/agents/repos/octo/app/tasks").await;
    assert_eq!((reply.status, reply.header("x-github-enterprise-version")), (404, "3.19.1"));
    assert_eq!(get(&simulator, "/api/v3/agents/tasks").await.status, 404);
    assert_eq!(get(&simulator, "/api/v3/repos/octo/app").await.status, 200);
    assert_eq!(get(&simulator, "/api/v3/meta").await.body["installed_version"], "3.19.1");
    let graphql = send(&simulator, request("POST", "/api/graphql"), r#"{"query": "{ viewer { login } }"}"#).await;
    assert_eq!(graphql.unwrap().status, 200);
    assert_eq!(simulator.log()[0].path, "/api/v3/agents/repos/octo/app/tasks");
}

#[tokio::test(start_paused = true)]
async fn gitea_has_a_version_and_nothing_else() {
    let simulator = Simulator::new();
    simulator.settings(|it| it.host = Host::Gitea("1.26.0".to_owned()));
    assert_eq!(get(&simulator, "/api/v1/version").await.body["version"], "1.26.0");
    let reply = as_token(&simulator, TOKEN, "POST", "/api/v1/agents/repos/octo/app/tasks").await;
    assert_eq!((reply.status, reply.header("x-github-request-id")), (404, ""));
}

#[tokio::test(start_paused = true)]
async fn root_and_meta_need_no_token() {
    let simulator = Simulator::new();
    for path in ["/", "/meta"] {
        let mut request = request("GET", path);
        request.headers_mut().unwrap().remove("authorization");
        let reply = send(&simulator, request, "").await.unwrap();
        assert_eq!((reply.status, reply.header("x-github-enterprise-version")), (200, ""), "{path}");
    }
    assert!(simulator.log().iter().all(|call| call.token.is_none()));
    assert_eq!(get(&simulator, "/").await.body["current_user_url"], "https://api.test/user");
    assert!(simulator.unexpected().is_empty());
}
